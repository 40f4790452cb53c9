"""Puts a known amount of chance into the order of a page, so that its log can answer for other orders later.

With a probability of `share` a page is shuffled: each run of `window` neighbouring positions in an order of its own,
all orders alike. All other pages stay as they are ranked. The propensity of an item is **position-wise**: the
probability, over both kinds of page, that this item came to stand at the position at which it stands:

    share / window                 + (1 - share) if that is where it was ranked

The last run may be shorter, and counts with its own length. With `window` = page size any order can come about; a small
window costs the page less and lets the log answer for small changes alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ruiji_experiments.errors import SettingsError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Exploration:
    """How much chance."""

    share: float = 0.02
    """Of the pages that are shuffled, above 0, at most 1."""
    window: int = 10
    """Positions that are shuffled among each other, at least 2."""

    def __post_init__(self) -> None:
        """Refuse what explores nothing."""
        if not 0 < self.share <= 1:
            raise SettingsError(f"the share of pages to explore on must be above 0 and at most 1, not {self.share}")
        if self.window < 2:
            raise SettingsError(f"a window of {self.window} leaves every item where it is; give at least 2")


def explore(
    length: int, exploration: Exploration, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Draw the order of a page.

    Args:
        length: items on the page, ranked best first; 0 or more.
        exploration: how much chance.
        rng: draws. One of a server's own will do; nobody needs to repeat its draws, the propensities are what counts.

    Returns:
        The order, shape (length,), int64: the row that stands at each position. The propensities, shape (length,),
        float32: of what stands at each position to stand there; these are what belongs into the log.
    """
    order = np.arange(length)
    if rng.random() < exploration.share:
        for start in range(0, length, exploration.window):
            rng.shuffle(order[start : start + exploration.window])
    return order, propensities(order, exploration)


def propensities(order: NDArray[np.int64], exploration: Exploration) -> NDArray[np.float32]:
    """Return the probability of each item of an order to stand where it stands, shape (length,), float32."""
    position = np.arange(len(order))
    start = position - position % exploration.window
    run = np.minimum(exploration.window, len(order) - start)
    chance = exploration.share / run + (1 - exploration.share) * (order == position)
    return np.asarray(chance, np.float32)
