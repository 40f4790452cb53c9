"""Which items may be recommended, and the nearest of them.

Eligible are the items on sale, in the currency, inside the price band and not excluded. Here they are the generation's;
items that changed since are hidden.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ruiji_server.columns.live import LiveColumns
from ruiji_server.domain.items import ItemState
from ruiji_server.index.exact import nearest_among
from ruiji_server.ranking.price_band import PriceBand

Row = TypeVar("Row", np.int64, np.uint32)


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


class EligibleRows:
    """Tells eligible rows of a generation from others."""

    def __init__(self, live: LiveColumns) -> None:
        self._live = live
        self._base = live.base

    def drop(
        self, rows: NDArray[np.int64], currency: str | None, band: PriceBand, excluded: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], Drops]:
        """Return the eligible of some rows, in their order, and why the others are not."""
        on_sale = rows[self._base.states[rows] == ItemState.ON_SALE]
        if self._live.has_changes:
            on_sale = on_sale[~self._live.hidden[on_sale]]
        affordable = on_sale[self.are_in_band(on_sale, currency, band)]
        kept = without(affordable, excluded)
        return kept, Drops(len(rows) - len(on_sale), len(on_sale) - len(affordable), len(affordable) - len(kept))

    def visible(self, in_band: NDArray[np.uint32], excluded: NDArray[np.int64]) -> tuple[NDArray[np.uint32], Drops]:
        """Do the same with rows that are known to be on sale, in the currency and in the band."""
        shown = in_band
        if self._live.has_changes:
            shown = in_band[~self._live.hidden[in_band]]
        kept = without(shown, excluded)
        return kept, Drops(len(in_band) - len(shown), 0, len(shown) - len(kept))

    def are_in_band(self, rows: NDArray[np.int64], currency: str | None, band: PriceBand) -> NDArray[np.bool_]:
        """Return which rows have a currency and a price inside a band, shape (rows,); all if there is no currency."""
        if currency is None:
            return np.ones(len(rows), dtype=np.bool_)
        number = self._base.currency_number(currency)
        if number is None:
            return np.zeros(len(rows), dtype=np.bool_)
        prices = self._base.prices_minor[rows]
        inside: NDArray[np.bool_] = (prices >= band.low_minor) & (prices <= band.high_minor)
        inside &= self._base.currency_numbers[rows] == number
        return inside

    def count(self, rows: NDArray[np.int64], currency: str | None, band: PriceBand) -> int:
        """Return how many rows are on sale in a currency and a band, hidden ones included."""
        on_sale = rows[self._base.states[rows] == ItemState.ON_SALE]
        return int(np.count_nonzero(self.are_in_band(on_sale, currency, band)))

    def nearest(
        self, rows: NDArray[Row], query: NDArray[np.float32], most: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the nearest of some rows and their cosines, best first, ties by row.

        Args:
            rows: each once, shape (n,).
            query: shape (dimensions,), float32, unit length.
            most: how many, at least 1.
        """
        compared = self._live.nearest_among(rows.astype(np.uint32, copy=False), query, most)
        return compared or nearest_among(self._base.embeddings, rows.astype(np.int64, copy=False), query, most)


def without(rows: NDArray[Row], excluded: NDArray[np.int64]) -> NDArray[Row]:
    """Return the rows that are not excluded, in their order."""
    if len(excluded) == 0:
        return rows
    if len(excluded) == 1:
        kept: NDArray[Row] = rows[rows != excluded[0]]
    else:
        kept = rows[np.isin(rows, excluded, invert=True)]
    return kept
