"""Puts a replay together, and refuses where the log cannot answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ruiji_experiments.errors import NoSupport, SettingsError
from ruiji_experiments.replay.estimators import (
    Estimate,
    doubly_robust,
    effective_places,
    ips,
    logged_ctr,
    placement,
    snips,
    support,
    with_interval,
)
from ruiji_experiments.replay.outcome_model import model_taps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ruiji_experiments.replay.logged import LoggedPages


_SURELY = 3.3
"""Standard errors: a log with support is refused once in a thousand."""


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """What is estimated, and when it is refused."""

    positions: int = 5
    """The first so many of each page are judged. Pages in the log should be longer."""
    confidence: float = 0.95
    """Of intervals."""
    least_effective_places: float = 500.0
    """Kish's number of places below which the answer is refused."""
    most_unsupported: float = 0.05
    """Share of places that chance could never have brought about above which the answer is refused."""
    most_empty: float = 0.10
    """Share of places for which the page held no item any more, since the policy drops some, above which it is."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.positions < 1:
            raise SettingsError("at least 1 position must be judged")


@dataclass(frozen=True, slots=True)
class Replay:
    """What the other policy's CTR over the first positions would have been."""

    pages: int
    """In the log."""
    units: int
    """Who saw them."""
    positions: int
    """Of each page."""
    logged: Estimate
    """The CTR as it was; its difference from itself is 0."""
    estimates: Mapping[str, Estimate]
    """By `IPS`, `SNIPS`, `DR`."""
    effective_places: float
    """Places without weights that would tell as much."""
    supported: float
    """Mean weight: about 1 where every place of the other policy could come about."""
    empty: float
    """Share of places without an item, for the policy drops some."""
    model_features: tuple[str, ...]
    """What the doubly robust estimate's model knew besides the position."""


def replay(pages: LoggedPages, target: NDArray[np.int64], settings: ReplaySettings) -> Replay:
    """Estimate another policy's CTR.

    Args:
        pages: the log.
        target: where each shown item would stand under it, shape (items,), 1 being the first and 0 nowhere.
        settings: what to estimate.

    Raises:
        NoSupport: the log's chance never, or too rarely, did what the policy would do.
    """
    placed = placement(pages, target, settings.positions)
    empty = 1 - float(placed.wanted.sum()) / float(placed.shown.sum())
    if empty > settings.most_empty:
        raise NoSupport(
            f"the policy leaves {empty:.0%} of the first {settings.positions} places empty, which items from beyond "
            "the logged pages would fill; judge fewer positions, or log longer pages"
        )
    weights = support(pages, placed)
    if weights.value + _SURELY * weights.error() < 1 - settings.most_unsupported:
        raise NoSupport(
            f"{1 - weights.value:.0%} of the places that the policy would choose never come about by chance in this "
            "log; explore with a larger window, or judge a policy that is nearer to the one that served"
        )
    effective = effective_places(placed)
    if effective < settings.least_effective_places:
        raise NoSupport(
            f"chance did what the policy would do so rarely that {placed.shown.sum():,.0f} places tell as much as "
            f"{effective:,.0f}, and {settings.least_effective_places:,.0f} are wanted; collect more pages, or explore "
            "on a larger share of them"
        )
    modelled = model_taps(pages, target)
    logged = logged_ctr(pages, placed)
    sums = {
        "IPS": ips(pages, placed),
        "SNIPS": snips(pages, placed),
        "DR": doubly_robust(pages, placed, modelled.as_shown, modelled.as_wanted),
    }
    return Replay(
        pages=pages.pages,
        units=len(logged.numerators),
        positions=settings.positions,
        logged=with_interval(logged, logged, settings.confidence),
        estimates={name: with_interval(one, logged, settings.confidence) for name, one in sums.items()},
        effective_places=effective,
        supported=weights.value,
        empty=empty,
        model_features=modelled.features,
    )
