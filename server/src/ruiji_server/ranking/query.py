"""What goes into ranking and what comes out.

None of these is changed once it is made. Those that each request makes are not frozen, though: that would take three
times as long to make them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ruiji_server.domain.items import Price
from ruiji_server.ranking.policy import RankingPolicy
from ruiji_server.ranking.price_band import PriceBand

NO_ROWS: Final[NDArray[np.int64]] = np.empty(0, dtype=np.int64)


@dataclass(slots=True)
class Query:
    """What to recommend for."""

    vector: NDArray[np.float32]
    """Embedding, shape (dimensions,), float32, unit length."""
    page_size: int
    """How many items to return, at least 1."""
    policy: RankingPolicy
    """Band, category weight, number of candidates."""
    price: Price | None = None
    """The query's price; without it there is no band."""
    category_path: tuple[str, ...] | None = None
    """Root to leaf; without it the score is the cosine."""
    currency: str | None = None
    """Recommend only items of this currency; by default that of the price, or any."""
    row: int | None = None
    """The query's own row, which is never recommended; the vector is then its."""
    excluded_rows: NDArray[np.int64] = field(default_factory=lambda: NO_ROWS)
    """Other rows not to recommend, each once."""
    explain: bool = False
    """Whether the trace should say what takes a look at the whole band."""
    explain_dropped: int = 0
    """How many of the nearest items that are not on the page are to be explained."""
    explained_rows: NDArray[np.int64] = field(default_factory=lambda: NO_ROWS)
    """Rows to explain in any case, each once."""

    @property
    def eligible_currency(self) -> str | None:
        """What items must be priced in; None if any currency will do."""
        return self.currency or (self.price.currency if self.price is not None else None)

    @property
    def band(self) -> PriceBand | None:
        """What they may cost; None if there is no band, as amounts of two currencies have no ratio."""
        if self.price is None or self.price.currency != self.eligible_currency:
            return None
        return PriceBand.around(self.price.amount_minor, self.policy.max_price_ratio)

    @property
    def all_excluded_rows(self) -> NDArray[np.int64]:
        """The excluded rows and the query's own, each once."""
        if self.row is None or self.row in self.excluded_rows:
            return self.excluded_rows
        return np.concatenate((self.excluded_rows, np.array([self.row], dtype=np.int64)))


class DropReason(StrEnum):
    """Why an item is not on a page, in the order in which that is decided."""

    QUERY_ITEM = "query_item"
    NOT_ON_SALE = "not_on_sale"
    OTHER_CURRENCY = "other_currency"
    OUTSIDE_PRICE_BAND = "outside_price_band"
    EXCLUDED = "excluded"
    NOT_REACHED = "not_reached"
    """Eligible, but the search stopped before it or, being approximate, missed it."""
    BEYOND_CANDIDATES = "beyond_candidates"
    """Eligible, but the policy's number of candidates was full of nearer ones."""
    OUTRANKED = "outranked"
    """A candidate whose score was too low for the page."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """An item that is not on the page, and why."""

    row: int
    reason: DropReason
    cosine: float
    score: float
    """What it would have been ordered by."""
    price_ratio: float | None
    """None if the two prices have no ratio."""
    category_similarity: float | None
    """None if the query has no category."""


@dataclass(slots=True)
class Trace:
    """How a page came about."""

    band_items: int | None
    """Items on sale inside the currency and the band, before exclusions; None unless the query wants it explained."""
    candidates: int
    """Items that the last search brought, changed ones included."""
    dropped_not_recommendable: int
    dropped_by_price: int
    dropped_by_exclusion: int
    widenings: int
    exact_scan: bool
    from_table: bool
    """The generation's candidates are those of the neighbour table, or neighbours of these."""
    search_us: int
    rank_us: int


@dataclass(slots=True)
class Page:
    """Recommended items, best first. All arrays have shape (items on the page,)."""

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]
    cosines: NDArray[np.float32]
    price_ratios: NDArray[np.float64] | None
    """max(p, q) / min(p, q); None if the prices have no ratio."""
    category_similarities: NDArray[np.float32] | None
    """None if the query has no category."""
    exhausted: bool
    """No other item is eligible."""
    trace: Trace
    dropped: tuple[Dropped, ...] = ()
    """Nearest first, where the query asks for them."""
    propensities: NDArray[np.float32] | None = None
    """Of each item to stand where it stands, above 0; None if chance had no part in the order."""
