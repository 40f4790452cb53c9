"""Two rankings compete for the same people: worlds in which it is known how readily each item is tapped."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ruiji_experiments.analysis.ratio import Floats
from ruiji_experiments.shoppers.listings import Listing
from ruiji_experiments.shoppers.tastes import Tastes, TasteSettings
from ruiji_experiments.simulation.clicks import ClickModel

if TYPE_CHECKING:
    from collections.abc import Sequence

_LISTINGS: Final = 2_000
_KINDS: Final = 6
_COLOURS: Final = 5
_PATTERNS: Final = 3
_STYLES: Final = 4


@dataclass(frozen=True, slots=True)
class Candidates:
    """What both rankings order for each page."""

    unit: NDArray[np.int64]
    """Who sees the page, shape (pages,), numbered from 0."""
    attraction: Floats
    """Probability of a tap on an item that is looked at, shape (pages, candidates)."""
    first: NDArray[np.int64]
    """Columns in the order of the first ranking, best first, shape (pages, candidates)."""
    second: NDArray[np.int64]
    """The same of the second."""


class World(Protocol):
    """People, items and two rankings."""

    @property
    def bias(self) -> float:
        """Exponent of the fall of attention with the position."""
        ...

    @property
    def length(self) -> int:
        """Items on a page."""
        ...

    @property
    def pages_per_unit(self) -> int:
        """Pages that each unit sees."""
        ...

    def draw(self, units: int, rng: np.random.Generator) -> Candidates:
        """Return the pages of some units."""
        ...


@dataclass(frozen=True, slots=True)
class ClickWorld:
    """People without tastes of their own; what they tap is a law of cosine, category and the item's own charm."""

    category_weight: float = 0.3
    """Of the second ranking; the first has 0. With 0 there is nothing to find."""
    pages_per_unit: int = 2
    candidates: int = 20
    length: int = 10
    model: ClickModel = field(default_factory=ClickModel)

    @property
    def bias(self) -> float:
        """Exponent of the fall of attention with the position."""
        return self.model.bias

    def draw(self, units: int, rng: np.random.Generator) -> Candidates:
        """Return the pages of some units."""
        model, weight = self.model, self.category_weight
        shape = (units * self.pages_per_unit, self.candidates)
        cosine = rng.uniform(0.2, 0.95, shape)
        category = rng.choice([0.0, 0.5, 1.0], shape, p=[0.3, 0.4, 0.3])
        charm = rng.normal(0, model.noise, shape)
        logit = model.constant + model.of_cosine * cosine + model.of_category * category + charm
        return Candidates(
            unit=np.repeat(np.arange(units), self.pages_per_unit),
            attraction=1 / (1 + np.exp(-logit)),
            first=np.argsort(-cosine, axis=1),
            second=np.argsort(-((1 - weight) * cosine + weight * category), axis=1),
        )


@dataclass(frozen=True, slots=True)
class ShopperWorld:
    """The shoppers of the demo, each with tastes of their own, among made-up listings.

    Both rankings see colour and pattern through noise; the second sees the kind of thing as well.
    """

    kind_weight: float = 2.0
    """Of the kind in the second ranking; the first has 0. With 0 there is nothing to find."""
    pages_per_unit: int = 3
    candidates: int = 20
    length: int = 10
    tastes: TasteSettings = field(default_factory=TasteSettings)

    @property
    def bias(self) -> float:
        """Exponent of the fall of attention with the position."""
        return self.tastes.position_bias

    def draw(self, units: int, rng: np.random.Generator) -> Candidates:
        """Return the pages of some units."""
        pages = units * self.pages_per_unit
        unit = np.repeat(np.arange(units), self.pages_per_unit)
        rows = rng.integers(len(_SHOP), size=(pages, 1 + self.candidates))
        people = [Tastes.draw(rng, self.tastes) for _ in range(units)]
        taps = np.empty((pages, self.candidates))
        for page, (person, (wanted, *found)) in enumerate(zip(unit.tolist(), rows.tolist(), strict=True)):
            taps[page] = people[person].tap_probabilities(_SHOP[wanted], [_SHOP[row] for row in found])
        # A tap is a look and an attraction; the look is that of the place, wherever the item comes to stand.
        attraction = taps * np.arange(1, self.candidates + 1) ** self.tastes.position_bias
        kind, colour, pattern = (values[rows[:, 1:]] == values[rows[:, :1]] for values in _SEEN)
        look = colour.astype(np.float64) + pattern + rng.normal(0, 0.5, attraction.shape)
        return Candidates(
            unit, attraction, np.argsort(-look, axis=1), np.argsort(-(look + self.kind_weight * kind), axis=1)
        )


def _shop() -> Sequence[Listing]:
    rng = np.random.default_rng(0)
    rows = rng.integers((_KINDS, _COLOURS, _PATTERNS, _STYLES), size=(_LISTINGS, 4)).tolist()
    prices = np.exp(rng.normal(7.0, 0.3, _LISTINGS)).astype(int).tolist()
    return [
        Listing("", (f"kind {kind}",), price, "JPY", True, f"colour {colour}", f"pattern {pattern}", f"style {style}")
        for (kind, colour, pattern, style), price in zip(rows, prices, strict=True)
    ]


_SHOP: Final = _shop()
_SEEN: Final = (
    np.array([item.category_path[0] for item in _SHOP]),
    np.array([item.colour for item in _SHOP]),
    np.array([item.pattern for item in _SHOP]),
)
"""Kind, colour and pattern of each listing, shape (listings,) each."""
