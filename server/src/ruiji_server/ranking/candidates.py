"""The nearest eligible items to a query, from the index as far as it carries and exactly where it does not.

The index gives neighbours without regard to what is eligible, so the work here is to ask it for enough of them, or to
do without it where the band is narrow. Items that changed since the index was built are few and compared one by one.
For an item of the generation the neighbour table is asked first.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ruiji_server.columns.live import LiveColumns
from ruiji_server.columns.neighbours import NeighbourTable
from ruiji_server.domain.items import ItemState
from ruiji_server.domain.limits import MAX_PRICE_MINOR
from ruiji_server.kernels.columns import EligibleItems, MergedCandidates
from ruiji_server.ranking.eligible import Candidates, Drops, EligibleRows, without
from ruiji_server.ranking.from_table import Reach, TableSearch
from ruiji_server.ranking.price_band import PriceBand
from ruiji_server.ranking.query import Query

_SCANNED_ROWS_PER_CANDIDATE = 25
"""Rows compared in the time of a candidate from the graph: at 200,000 items 0.13 us each against about 3."""
_WIDENING = 4
_ANY = -1
_EVERY_PRICE = PriceBand(0, MAX_PRICE_MINOR)


class NeighbourSearch(Protocol):
    """An approximate index over the generation's rows."""

    def search(self, query: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """Return about the `k` nearest rows to a unit vector of shape (dimensions,), float32."""


class CandidateSearch:
    """Finds candidates in one generation and its changes. Not to be shared by threads, since its index is not."""

    def __init__(
        self, live: LiveColumns, index: NeighbourSearch, table: NeighbourTable | None = None, reach: Reach | None = None
    ) -> None:
        """Prepare to search.

        Args:
            live: the generation's columns with what changed since.
            index: over the generation's rows.
            table: neighbours of the generation's rows, where they were worked out.
            reach: what is compared beyond an item's own row of it.
        """
        self._live = live
        self._base = live.base
        self._index = index
        self._eligible = EligibleRows(live)
        self._table = None if table is None else TableSearch(live, table, reach or Reach())

    def nearest(self, query: Query) -> Candidates:
        """Return the policy's number of candidates, or as many as the page needs, or all that are eligible."""
        currency, band = query.eligible_currency, query.band or _EVERY_PRICE
        pool_size = max(query.policy.candidates, query.page_size)
        found = None
        if self._table is not None and currency is not None and band is not _EVERY_PRICE:
            found = self._table.nearest(query, pool_size, currency, band)
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
        changed = without(changed, query.all_excluded_rows)
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
        return len(base) - self._eligible.count(self._live.hidden_rows, currency, band) + len(changed)

    def _found(self, query: Query, pool_size: int, currency: str | None, band: PriceBand) -> Candidates:
        """Search the generation."""
        in_band = self._base.rows_on_sale(currency, band.low_minor, band.high_minor)
        excluded = query.all_excluded_rows
        excluded = excluded[excluded < len(self._base)]
        eligible = (
            len(in_band)
            - self._eligible.count(excluded, currency, band)
            - self._eligible.count(self._live.hidden_rows, currency, band)
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
        drops, searched, widenings = Drops(), 0, 0
        enough = min(query.page_size, eligible)
        total = len(self._base)
        # Expect the eligible items' share of the neighbours to be eligible.
        k = -(-min(pool_size, eligible) * total // max(eligible, 1)) + len(excluded)
        while len(rows) < enough:
            if len(in_band) <= _SCANNED_ROWS_PER_CANDIDATE * k:
                shown, drops = self._eligible.visible(in_band, excluded)
                rows, cosines = self._eligible.nearest(shown, query.vector, pool_size)
                return Candidates(rows, cosines, eligible, len(in_band), drops, widenings, exact_scan=True)
            found = self._index.search(query.vector, min(k, total))
            searched = len(found)
            kept, drops = self._eligible.drop(found, currency, band, excluded)
            rows, cosines = self._eligible.nearest(kept, query.vector, pool_size)
            if len(rows) < enough:
                k *= _WIDENING
                widenings += 1
        return Candidates(rows, cosines, eligible, searched, drops, widenings)

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
