"""The nearest eligible items to a query, from the index as far as it carries and exactly where it does not.

Eligible are the items on sale, in the currency, inside the price band and not excluded. The index gives neighbours
without regard to that, so the work here is to ask it for enough of them, or to do without it where the band is narrow.
Items that changed since the index was built are few and compared one by one.

For an item of the generation most of this was done when it was built: its neighbour table holds the nearest eligible
ones, from which only what changed since, and what this request excludes, is taken away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ruiji_server.columns.live import LiveColumns
from ruiji_server.columns.neighbours import NeighbourTable
from ruiji_server.domain.items import ItemState
from ruiji_server.domain.limits import MAX_PRICE_MINOR
from ruiji_server.index.exact import nearest_among
from ruiji_server.kernels.columns import EligibleItems, MergedCandidates
from ruiji_server.ranking.price_band import PriceBand
from ruiji_server.ranking.query import Query

_SCANNED_ROWS_PER_CANDIDATE = 10
"""A row of an exact scan costs about a tenth of a candidate from the graph (0.1 against 1 us at 128 dimensions)."""
_WIDENING = 4
_ANY = -1
_EVERY_PRICE = PriceBand(0, MAX_PRICE_MINOR)


class NeighbourSearch(Protocol):
    """An approximate index over the generation's rows."""

    def search(self, query: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """Return about the `k` nearest rows to a unit vector of shape (dimensions,), float32."""


@dataclass(slots=True)
class Drops:
    """Candidates that were not eligible, by reason."""

    not_recommendable: int = 0
    """Not on sale, or changed since and compared anew."""
    by_price: int = 0
    by_exclusion: int = 0


@dataclass(slots=True)
class Candidates:
    """The nearest eligible items, and how they were found."""

    rows: NDArray[np.int64]
    """Shape (n,), nearest first."""
    cosines: NDArray[np.float32]
    """Shape (n,)."""
    eligible: int
    """How many items are eligible in all; from the neighbour table perhaps fewer, but more than fit on the page."""
    searched: int
    """Items that the last search brought."""
    drops: Drops
    widenings: int = 0
    exact_scan: bool = False
    from_table: bool = False


class CandidateSearch:
    """Finds candidates in one generation and its changes. Not to be shared by threads, since its index is not."""

    def __init__(self, live: LiveColumns, index: NeighbourSearch, table: NeighbourTable | None = None) -> None:
        self._live = live
        self._base = live.base
        self._index = index
        self._table = table

    def nearest(self, query: Query) -> Candidates:
        """Return the policy's number of candidates, or as many as the page needs, or all that are eligible."""
        currency, band = query.eligible_currency, query.band or _EVERY_PRICE
        pool_size = max(query.policy.candidates, query.page_size)
        found = None
        if self._table is not None and band is not _EVERY_PRICE:
            found = self._known(query, self._table, pool_size, currency, band)
        if found is None:
            found = self._found(query, pool_size, currency, band)
        if self._live.has_changes:
            self._add_changed(found, query, pool_size, currency, band)
        return found

    def _add_changed(
        self, found: Candidates, query: Query, pool_size: int, currency: str | None, band: PriceBand
    ) -> None:
        """Put the changed items among the candidates."""
        number = _ANY if currency is None else self._live.currency_number(currency)
        if number is None:
            return
        merged = None
        if len(query.excluded_rows) == 0:
            own_row = _ANY if query.row is None else query.row
            eligible = EligibleItems(ItemState.ON_SALE, number, band.low_minor, band.high_minor, own_row)
            merged = self._live.merge_changed(found.rows, found.cosines, query.vector, eligible, pool_size)
        if merged is None:
            merged = self._merged_by_numpy(found, query, pool_size, currency, band)
        found.rows, found.cosines, changed = merged
        found.eligible += changed
        found.searched += changed

    def _merged_by_numpy(
        self, found: Candidates, query: Query, pool_size: int, currency: str | None, band: PriceBand
    ) -> MergedCandidates:
        """Do what the kernel does, where it was not built, items are excluded, or changed items tie."""
        changed = self._live.changed_rows_on_sale(currency, band.low_minor, band.high_minor)
        changed = _without(changed, query.all_excluded_rows)
        if len(changed) == 0:
            return MergedCandidates(found.rows, found.cosines, 0)
        rows = np.concatenate((found.rows, changed))
        cosines = np.concatenate((found.cosines, self._live.changed_cosines(changed, query.vector)))
        return MergedCandidates(*self._nearest(rows, cosines, pool_size), len(changed))

    def band_items(self, query: Query) -> int:
        """Return how many items are on sale in the query's currency and band, itself and excluded ones included."""
        currency, band = query.eligible_currency, query.band or _EVERY_PRICE
        base = self._base.rows_on_sale(currency, band.low_minor, band.high_minor)
        changed = self._live.changed_rows_on_sale(currency, band.low_minor, band.high_minor)
        return len(base) - self._count_eligible(self._live.hidden_rows, currency, band) + len(changed)

    def _known(
        self, query: Query, table: NeighbourTable, pool_size: int, currency: str | None, band: PriceBand
    ) -> Candidates | None:
        """Take the generation's candidates from its table, or return None if they are not all there."""
        if (
            query.row is None
            or query.row >= len(self._base)
            or query.policy.max_price_ratio > table.max_price_ratio
            or not self._is_own_price(query, query.row)
        ):
            return None
        rows, cosines, complete = table.of(query.row)
        if cosines is None:
            cosines = self._base.embeddings.take(rows, axis=0) @ query.vector
        known = len(rows)
        if query.policy.max_price_ratio < table.max_price_ratio:
            inside = self._is_in_band(rows, currency, band)
            rows, cosines = rows[inside], cosines[inside]
        in_band = len(rows)
        if self._live.has_changes and np.count_nonzero(hidden := self._live.hidden[rows]):
            rows, cosines = rows[~hidden], cosines[~hidden]
        visible = len(rows)
        if len(query.excluded_rows):
            kept = np.isin(rows, query.excluded_rows, invert=True)
            rows, cosines = rows[kept], cosines[kept]
        # Beyond an incomplete row of the table others may be eligible, whether or not they fit on the page.
        if not complete and (len(rows) < pool_size or len(rows) <= query.page_size):
            return None
        drops = Drops(in_band - visible, known - in_band, visible - len(rows))
        return Candidates(rows[:pool_size], cosines[:pool_size], len(rows), known, drops, from_table=True)

    def _is_own_price(self, query: Query, row: int) -> bool:
        """Return whether a query's price is that of the item in a row of the generation."""
        price = query.price
        return price is not None and self._base.price(row) == (price.amount_minor, price.currency)

    def _found(self, query: Query, pool_size: int, currency: str | None, band: PriceBand) -> Candidates:
        """Search the generation."""
        in_band = self._base.rows_on_sale(currency, band.low_minor, band.high_minor)
        excluded = query.all_excluded_rows
        excluded = excluded[excluded < len(self._base)]
        eligible = (
            len(in_band)
            - self._count_eligible(excluded, currency, band)
            - self._count_eligible(self._live.hidden_rows, currency, band)
        )
        return self._search(query, in_band, eligible, excluded, pool_size, currency, band)

    def _search(
        self,
        query: Query,
        in_band: NDArray[np.uint32],
        eligible: int,
        excluded: NDArray[np.int64],
        pool_size: int,
        currency: str | None,
        band: PriceBand,
    ) -> Candidates:
        """Find the nearest eligible rows of the generation; fewer than a page only if there are no more."""
        rows: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        cosines = np.empty(0, dtype=np.float32)
        drops, searched, widenings, exact = Drops(), 0, 0, False
        enough = min(query.page_size, eligible)
        total = len(self._base)
        # Expect the eligible items' share of the neighbours to be eligible.
        k = -(-min(pool_size, eligible) * total // max(eligible, 1)) + len(excluded)
        while len(rows) < enough:
            exact = len(in_band) <= _SCANNED_ROWS_PER_CANDIDATE * k
            found = in_band.astype(np.int64) if exact else self._index.search(query.vector, min(k, total))
            searched = len(found)
            kept, drops = self._drop(found, currency, band, excluded)
            rows, cosines = nearest_among(self._base.embeddings, kept, query.vector, pool_size)
            if exact:
                break
            if len(rows) < enough:
                k *= _WIDENING
                widenings += 1
        return Candidates(rows, cosines, eligible, searched, drops, widenings, exact)

    def _drop(
        self, rows: NDArray[np.int64], currency: str | None, band: PriceBand, excluded: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], Drops]:
        on_sale = rows[self._base.states[rows] == ItemState.ON_SALE]
        if self._live.has_changes:
            on_sale = on_sale[~self._live.hidden[on_sale]]
        affordable = on_sale[self._is_in_band(on_sale, currency, band)]
        kept = _without(affordable, excluded)
        return kept, Drops(len(rows) - len(on_sale), len(on_sale) - len(affordable), len(affordable) - len(kept))

    def _is_in_band(self, rows: NDArray[np.int64], currency: str | None, band: PriceBand) -> NDArray[np.bool_]:
        if currency is None:
            return np.ones(len(rows), dtype=np.bool_)
        number = self._base.currency_number(currency)
        if number is None:
            return np.zeros(len(rows), dtype=np.bool_)
        prices = self._base.prices_minor[rows]
        inside: NDArray[np.bool_] = (prices >= band.low_minor) & (prices <= band.high_minor)
        inside &= self._base.currency_numbers[rows] == number
        return inside

    def _count_eligible(self, rows: NDArray[np.int64], currency: str | None, band: PriceBand) -> int:
        on_sale = rows[self._base.states[rows] == ItemState.ON_SALE]
        return int(np.count_nonzero(self._is_in_band(on_sale, currency, band)))

    def _nearest(
        self, rows: NDArray[np.int64], cosines: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the `k` with the highest cosine, ties by item id; changed rows are not in the order of ids."""
        if len(rows) > k:
            threshold = np.partition(cosines, len(cosines) - k)[len(cosines) - k]
            kept = cosines >= threshold
            rows, cosines = rows[kept], cosines[kept]
        order = order_by_id(self._live, rows, cosines)[:k]
        return rows[order], cosines[order]


def order_by_id(live: LiveColumns, rows: NDArray[np.int64], values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the positions by descending value, ties by the UTF-8 bytes of the item id."""
    if not live.changed_items or len(rows) == 0 or rows.max() < len(live.base):
        # The generation's rows are in the order of ids.
        order: NDArray[np.int64] = np.lexsort((rows, -values))
        return order
    keys = [(-value, live.item_id(row).encode()) for value, row in zip(values.tolist(), rows.tolist(), strict=True)]
    return np.array(sorted(range(len(rows)), key=keys.__getitem__), dtype=np.int64)


def _without(rows: NDArray[np.int64], excluded: NDArray[np.int64]) -> NDArray[np.int64]:
    if len(excluded) == 0:
        return rows
    if len(excluded) == 1:
        kept: NDArray[np.int64] = rows[rows != excluded[0]]
    else:
        kept = rows[np.isin(rows, excluded, invert=True)]
    return kept
