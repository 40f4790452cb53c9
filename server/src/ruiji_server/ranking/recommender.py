"""From a query embedding to a page of items.

The page that is wanted is simple to say: of all eligible items (on sale, in the currency, inside the price band, not
excluded) the `candidates` nearest by cosine, ordered by score. The index gives neighbours without regard to
eligibility, so the work here is to ask it for enough of them, or to do without it where the band is narrow.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ruiji_server.columns.reader import Columns
from ruiji_server.domain.items import ItemState, Price
from ruiji_server.domain.limits import MAX_PRICE_MINOR
from ruiji_server.index.exact import nearest_among
from ruiji_server.ranking.categories import CategoryTree
from ruiji_server.ranking.policy import RankingPolicy
from ruiji_server.ranking.price_band import PriceBand

_SCANNED_ROWS_PER_CANDIDATE = 10
"""A row of an exact scan costs about a tenth of a candidate from the graph (0.1 against 1 us at 128 dimensions)."""
_WIDENING = 4


class NeighbourSearch(Protocol):
    """An approximate index over the rows of the columns."""

    def search(self, query: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """Return about the `k` nearest rows to a unit vector of shape (dimensions,), float32."""


@dataclass(frozen=True, slots=True)
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
    """The query's own row, which is never recommended."""
    excluded_rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """Other rows not to recommend, each once."""


@dataclass(frozen=True, slots=True)
class Trace:
    """How a page came about."""

    band_items: int
    """Items on sale inside the currency and the band."""
    candidates: int
    """Rows that the last search brought."""
    dropped_not_recommendable: int
    dropped_by_price: int
    dropped_by_exclusion: int
    widenings: int
    exact_scan: bool
    search_us: int
    rank_us: int


@dataclass(frozen=True, slots=True)
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


@dataclass(slots=True)
class _Drops:
    not_recommendable: int = 0
    by_price: int = 0
    by_exclusion: int = 0


class Recommender:
    """Recommends from one generation. Not to be shared by threads, since its index is not."""

    def __init__(self, columns: Columns, index: NeighbourSearch) -> None:
        self._columns = columns
        self._index = index
        self._categories = CategoryTree(columns.category_paths)

    def recommend(self, query: Query) -> Page:
        """Return the page for a query; short only if no other item is eligible."""
        started_ns = time.perf_counter_ns()
        currency, band = _currency_and_band(query)
        band_rows = self._columns.rows_on_sale(currency, band.low_minor, band.high_minor)
        excluded = _excluded(query)
        eligible = len(band_rows) - self._count_on_sale(excluded, currency, band)
        pool_size = min(max(query.policy.candidates, query.page_size), eligible)
        drops = _Drops()
        rows: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        cosines = np.empty(0, dtype=np.float32)
        total = len(self._columns)
        # Expect the band's share of the neighbours to be eligible.
        k = -(-pool_size * total // max(len(band_rows), 1)) + len(excluded)
        candidates = widenings = 0
        exact = False
        while len(rows) < min(query.page_size, eligible):
            exact = len(band_rows) <= _SCANNED_ROWS_PER_CANDIDATE * k
            if exact:
                candidates = len(band_rows)
                wanted = _without(band_rows.astype(np.int64), excluded)
                drops = _Drops(by_exclusion=candidates - len(wanted))
                rows, cosines = nearest_among(self._columns.embeddings, wanted, query.vector, pool_size)
                break
            found = self._index.search(query.vector, min(k, total))
            candidates = len(found)
            kept, drops = self._drop(found, currency, band, excluded)
            rows, cosines = nearest_among(self._columns.embeddings, kept, query.vector, pool_size)
            if len(rows) < min(query.page_size, eligible):
                k *= _WIDENING
                widenings += 1
        searched_ns = time.perf_counter_ns()
        order, scores, similarities = self._order(query, rows, cosines)
        page = rows[order]
        ranked_ns = time.perf_counter_ns()
        return Page(
            rows=page,
            scores=scores,
            cosines=cosines[order],
            price_ratios=self._price_ratios(query, currency, page),
            category_similarities=similarities,
            exhausted=eligible <= len(page),
            trace=Trace(
                band_items=len(band_rows),
                candidates=candidates,
                dropped_not_recommendable=drops.not_recommendable,
                dropped_by_price=drops.by_price,
                dropped_by_exclusion=drops.by_exclusion,
                widenings=widenings,
                exact_scan=exact,
                search_us=(searched_ns - started_ns) // 1_000,
                rank_us=(ranked_ns - searched_ns) // 1_000,
            ),
        )

    def _drop(
        self, rows: NDArray[np.int64], currency: str | None, band: PriceBand, excluded: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], _Drops]:
        on_sale = rows[self._columns.states[rows] == ItemState.ON_SALE]
        affordable = on_sale[self._is_in_band(on_sale, currency, band)]
        kept = _without(affordable, excluded)
        return kept, _Drops(len(rows) - len(on_sale), len(on_sale) - len(affordable), len(affordable) - len(kept))

    def _is_in_band(self, rows: NDArray[np.int64], currency: str | None, band: PriceBand) -> NDArray[np.bool_]:
        if currency is None:
            return np.ones(len(rows), dtype=np.bool_)
        number = self._columns.currency_number(currency)
        if number is None:
            return np.zeros(len(rows), dtype=np.bool_)
        prices = self._columns.prices_minor[rows]
        inside: NDArray[np.bool_] = (prices >= band.low_minor) & (prices <= band.high_minor)
        inside &= self._columns.currency_numbers[rows] == number
        return inside

    def _count_on_sale(self, rows: NDArray[np.int64], currency: str | None, band: PriceBand) -> int:
        on_sale = rows[self._columns.states[rows] == ItemState.ON_SALE]
        return int(np.count_nonzero(self._is_in_band(on_sale, currency, band)))

    def _order(
        self, query: Query, rows: NDArray[np.int64], cosines: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32] | None]:
        """Return the positions of the page in `rows` by score, then row; the scores; the category similarities."""
        if query.category_path is None:
            # Already ordered by cosine, then row.
            return np.arange(min(query.page_size, len(rows))), cosines[: query.page_size], None
        weight = np.float32(query.policy.category_weight)
        similarities = self._categories.similarities(query.category_path)[self._columns.category_numbers[rows]]
        scores = (np.float32(1) - weight) * cosines + weight * similarities
        order = np.lexsort((rows, -scores))[: query.page_size]
        return order, scores[order], similarities[order]

    def _price_ratios(self, query: Query, currency: str | None, rows: NDArray[np.int64]) -> NDArray[np.float64] | None:
        if query.price is None or currency != query.price.currency:
            return None
        prices = self._columns.prices_minor[rows].astype(np.float64)
        ratios: NDArray[np.float64] = np.maximum(prices, query.price.amount_minor)
        ratios /= np.minimum(prices, query.price.amount_minor)
        return ratios


def _currency_and_band(query: Query) -> tuple[str | None, PriceBand]:
    price = query.price
    if price is None or (query.currency is not None and query.currency != price.currency):
        return query.currency, PriceBand(0, MAX_PRICE_MINOR)
    return price.currency, PriceBand.around(price.amount_minor, query.policy.max_price_ratio)


def _excluded(query: Query) -> NDArray[np.int64]:
    if query.row is None or query.row in query.excluded_rows:
        return query.excluded_rows
    return np.concatenate((query.excluded_rows, np.array([query.row], dtype=np.int64)))


def _without(rows: NDArray[np.int64], excluded: NDArray[np.int64]) -> NDArray[np.int64]:
    if len(excluded) == 0:
        return rows
    if len(excluded) == 1:
        kept: NDArray[np.int64] = rows[rows != excluded[0]]
    else:
        kept = rows[np.isin(rows, excluded, invert=True)]
    return kept
