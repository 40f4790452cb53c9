"""One page out of two, by team draft; see `ruiji_experiments.interleaving.team_draft`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from ruiji_experiments.interleaving.team_draft import SECOND, team_draft

from ruiji_server.ranking.query import Page


@dataclass(frozen=True, slots=True)
class DraftedPage:
    """A page drawn from two. All arrays have shape (items on the page,), and an item's values are of its own page."""

    item_ids: Sequence[bytes]
    """UTF-8; none twice. Not rows, for the two pages may come from two generations."""
    teams: Sequence[int]
    """Of `team_draft`: which page picked the item."""
    scores: NDArray[np.float32]
    cosines: NDArray[np.float32]
    price_ratios: NDArray[np.float64] | None
    """max(p, q) / min(p, q); None if either page has none."""
    category_similarities: NDArray[np.float32] | None
    """None if either page has none."""
    exhausted: bool
    """No other item is eligible for either page."""
    propensities: None = None
    """Chance has a part in the order, but the teams say what there is to know of it."""


def interleave(
    pages: tuple[Page, Page], item_ids: tuple[Sequence[bytes], Sequence[bytes]], page_size: int, coins: int
) -> DraftedPage:
    """Draw one page from two that answer the same query.

    Args:
        pages: the first ranking's and the second's, of up to `page_size` items each.
        item_ids: of their items, UTF-8, in their order.
        page_size: of the page; it is shorter only if both together have no more items.
        coins: who begins each round.
    """
    picks = team_draft(*item_ids, page_size, coins)
    # Both pages one after the other, and where in that each pick is.
    rows = np.array([pick.place + (pick.ranking == SECOND) * len(item_ids[0]) for pick in picks], dtype=np.int64)
    first, second = pages
    return DraftedPage(
        item_ids=[item_ids[pick.ranking][pick.place] for pick in picks],
        teams=[pick.team for pick in picks],
        scores=np.concatenate((first.scores, second.scores))[rows],
        cosines=np.concatenate((first.cosines, second.cosines))[rows],
        price_ratios=_drawn(first.price_ratios, second.price_ratios, rows),
        category_similarities=_drawn(first.category_similarities, second.category_similarities, rows),
        exhausted=first.exhausted and second.exhausted and len(picks) == len({*item_ids[0], *item_ids[1]}),
    )


Floats = TypeVar("Floats", np.float32, np.float64)


def _drawn(
    first: NDArray[Floats] | None, second: NDArray[Floats] | None, rows: NDArray[np.int64]
) -> NDArray[Floats] | None:
    return None if first is None or second is None else np.concatenate((first, second))[rows]
