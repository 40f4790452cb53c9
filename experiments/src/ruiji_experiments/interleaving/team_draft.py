"""Team draft: the two rankings pick items for one page in turns, like captains of teams.

Before each round a coin says who picks first; each picks its best item that is not on the page yet (Radlinski, Kurup
and Joachims, "How does clickthrough data reflect retrieval quality?", CIKM 2008). Neither gets better places on
average, so position bias falls out of the comparison. An item on which a tap says nothing of who is better, because
both rankings would have shown it next, still belongs to the team that picked it: the coin makes that fair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

FIRST, SECOND = 0, 1
"""Teams: of the first and of the second ranking."""


@dataclass(frozen=True, slots=True)
class InterleavedPage:
    """One page of two rankings, shape (length,) each."""

    items: NDArray[np.int64]
    """Rows of items, in the order of the page."""
    teams: NDArray[np.int8]
    """Which ranking picked each: `FIRST` or `SECOND`."""


def team_draft(first: ArrayLike, second: ArrayLike, length: int, rng: np.random.Generator) -> InterleavedPage:
    """Make a page of two rankings.

    Args:
        first: rows of items, best first, no row twice; int64.
        second: the other ranking's.
        length: of the page; it is shorter if both rankings run out.
        rng: tosses the coins.
    """
    rankings = (np.asarray(first, np.int64).tolist(), np.asarray(second, np.int64).tolist())
    next_of = [0, 0]
    taken: set[int] = set()
    items: list[int] = []
    teams: list[int] = []
    while len(items) < length:
        picked_before = len(items)
        starts = int(rng.integers(2))
        for team in (starts, 1 - starts):
            ranking = rankings[team]
            while next_of[team] < len(ranking) and ranking[next_of[team]] in taken:
                next_of[team] += 1
            if next_of[team] < len(ranking) and len(items) < length:
                taken.add(ranking[next_of[team]])
                items.append(ranking[next_of[team]])
                teams.append(team)
        if len(items) == picked_before:
            break
    return InterleavedPage(np.array(items, np.int64), np.array(teams, np.int8))
