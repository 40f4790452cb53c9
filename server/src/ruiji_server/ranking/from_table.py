"""Candidates for an item of the generation, whose search was mostly done when the generation was built.

Its row of the neighbour table holds the nearest eligible items, from which what changed since, what lies outside a band
narrower than the table's, and what the request excludes is taken away. Where too few are left, a small band is compared
as a whole, and in a larger one the item's neighbours are asked for theirs: what is near to an item is near to what is
near to it. Either is exact arithmetic on a few hundred to a few thousand rows; the graph would have to be asked for
many more, most of them outside the band. The same is done for an item whose price moved a little since.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ruiji_server.columns.live import LiveColumns
from ruiji_server.columns.neighbours import NO_NEIGHBOUR, NeighbourTable
from ruiji_server.domain.items import ItemState
from ruiji_server.kernels.columns import EligibleItems
from ruiji_server.ranking.eligible import Candidates, Drops, EligibleRows
from ruiji_server.ranking.price_band import PriceBand
from ruiji_server.ranking.query import Query


@dataclass(frozen=True, slots=True)
class Reach:
    """What is compared where an item's neighbours do not suffice."""

    scanned_at_most: int = 8_192
    """Items of a band that are all compared."""
    enough: int = 12
    """Neighbours of neighbours that are compared for each candidate wanted; where there are more, others are not looked
    for."""
    least: float = 2.5
    """How many it takes for each candidate wanted. With fewer, some of the nearest are likely among the items that
    nobody near has as a neighbour."""
    price_moved_at_most: float = 1.4
    """Ratio of an item's price to the one that its row of the table was made for. The further it moved, the less of its
    band is covered by the neighbours' rows: at this ratio pages share 0.99 with exact search, at 2 they share 0.95."""

    def met_enough(self, pool_size: int) -> int:
        """Return `enough` for a number of candidates."""
        return self.enough * pool_size

    def met_least(self, pool_size: int) -> int:
        """Return `least` for a number of candidates."""
        return math.ceil(self.least * pool_size)


class TableSearch:
    """Finds candidates through one generation's neighbour table. Not to be shared by threads."""

    def __init__(self, live: LiveColumns, table: NeighbourTable, reach: Reach) -> None:
        self._live = live
        self._base = live.base
        self._table = table
        self._reach = reach
        self._eligible = EligibleRows(live)
        self._compiled = live.neighbours(table)

    def nearest(self, query: Query, pool_size: int, currency: str, band: PriceBand) -> Candidates | None:
        """Return the generation's candidates for a query with a band; None if the table does not suffice."""
        if query.row is None or query.policy.max_price_ratio > self._table.max_price_ratio:
            return None
        row = self._live.generation_row(query.row)
        moved = None if row is None else self._price_moved(query, row)
        if row is None or moved is None or moved > self._reach.price_moved_at_most:
            return None
        found = self._listed(query, row, pool_size, currency, band) if moved == 1 else None
        return found or self._beyond(query, row, pool_size, currency, band)

    def _price_moved(self, query: Query, row: int) -> float | None:
        """Return the ratio of a query's price to that in a row of the generation; None if they have none."""
        amount_minor, currency = self._base.price(row)
        if query.price is None or query.price.currency != currency:
            return None
        low, high = sorted((amount_minor, query.price.amount_minor))
        return high / low

    def _listed(self, query: Query, row: int, pool_size: int, currency: str, band: PriceBand) -> Candidates | None:
        """Take them from the item's row, or return None if they are not all there."""
        rows, cosines, complete = self._table.of(row)
        if cosines is None:
            cosines = self._base.embeddings.take(rows, axis=0) @ query.vector
        known = len(rows)
        if query.policy.max_price_ratio < self._table.max_price_ratio:
            inside = self._eligible.are_in_band(rows, currency, band)
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

    def _beyond(self, query: Query, row: int, pool_size: int, currency: str, band: PriceBand) -> Candidates | None:
        """Compare the band or the neighbours' neighbours; None if these are too few."""
        others = self._base.rows_on_sale(currency, band.low_minor, band.high_minor)
        is_scanned = len(others) <= self._reach.scanned_at_most
        if not is_scanned:
            least, enough = self._reach.met_least(pool_size), self._reach.met_enough(pool_size)
            excluded = len(query.excluded_rows)
            others = self._met(row, currency, band, enough + excluded)
            if len(others) < least + excluded:
                return None
        kept, drops = self._eligible.visible(others, query.all_excluded_rows)
        rows, cosines = self._eligible.nearest(kept, query.vector, pool_size)
        return Candidates(
            rows, cosines, len(kept), len(others), drops, exact_scan=is_scanned, from_table=not is_scanned
        )  # fmt: skip

    def _met(self, row: int, currency: str, band: PriceBand, enough: int) -> NDArray[np.uint32]:
        """Return the item's neighbours and theirs that may be recommended."""
        met = None
        number = self._base.currency_number(currency)
        if self._compiled is not None and number is not None:
            eligible = EligibleItems(ItemState.ON_SALE, number, band.low_minor, band.high_minor, row)
            met = self._compiled.second(row, eligible, enough, has_changes=self._live.has_changes)
        return self._met_by_numpy(row, currency, band, enough) if met is None else met

    def _met_by_numpy(self, row: int, currency: str, band: PriceBand, enough: int) -> NDArray[np.uint32]:
        """Do what the kernel does, where it was not built."""
        own, _, _ = self._table.of(row)
        listed = self._table.rows[np.concatenate((np.array([row]), own))]
        others, first = np.unique(listed, return_index=True)
        order = np.argsort(first)
        others, whose = others[order], first[order] // self._table.width
        kept = (others != NO_NEIGHBOUR) & (others != row)
        others, whose = others[kept].astype(np.int64), whose[kept]
        kept = self._eligible.are_in_band(others, currency, band) & ~self._live.hidden[others]
        others, whose = others[kept], whose[kept]
        # All of the item at which there are enough, and none of those after it.
        last = whose[enough - 1] if len(whose) >= enough else self._table.width
        met: NDArray[np.uint32] = others[whose <= last].astype(np.uint32)
        return met
