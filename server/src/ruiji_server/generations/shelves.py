"""The items on sale in one currency, and comparing items with those of them that are in their price bands."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ruiji_server.columns.reader import Columns
from ruiji_server.index.nearest_kept import NearestKept
from ruiji_server.kernels.nearest import Offers
from ruiji_server.ranking.price_band import PriceBand

_OWNERS_AT_ONCE = 256
_TILE_ITEMS = 8_192
"""At most 8 MB of cosines, so that they are still in the cache when they are looked at."""


class Shelf(NamedTuple):
    """Items on sale in one currency, or some of them, by price."""

    rows: NDArray[np.uint32]
    """Shape (n,)."""
    prices_minor: NDArray[np.int64]
    """Theirs, ascending."""
    embeddings: NDArray[np.float32] | None = None
    """Theirs, shape (n, dimensions); None to gather them from the generation's."""


class Block:
    """Items of one currency whose neighbours are looked for together.

    They stand in the order of their prices: then the bands of some that follow each other overlap nearly whole, and
    what they are compared with is one stretch of a shelf.

    Attributes:
        vectors: of the items, shape (items, dimensions).
        nearest: the neighbours found so far.
        compared: how many items of its band each was compared with, shape (items,).
    """

    def __init__(self, columns: Columns, rows: NDArray[np.int64], width: int, max_price_ratio: float) -> None:
        """Take items that were compared with nothing yet.

        Args:
            columns: of the generation.
            rows: of the items, shape (items,), in any order.
            width: neighbours to keep of each.
            max_price_ratio: of the band around each item's price.
        """
        prices = columns.prices_minor[rows]
        order = np.argsort(prices, kind="stable")
        bands = [PriceBand.around(price, max_price_ratio) for price in prices[order].tolist()]
        self._low = np.array([band.low_minor for band in bands], dtype=np.int64)
        self._high = np.array([band.high_minor for band in bands], dtype=np.int64)
        self._embeddings = columns.embeddings
        self.vectors = columns.embeddings[rows[order]]
        self.nearest = NearestKept(rows[order].astype(np.uint32), width)
        self.compared = np.zeros(len(rows), dtype=np.int64)
        # Made once: memory that is new each time has to be cleared by the kernel each time.
        self._cosines = np.empty(_OWNERS_AT_ONCE * _TILE_ITEMS, dtype=np.float32)
        self._asked = np.empty((_OWNERS_AT_ONCE, self.vectors.shape[1]), dtype=np.float32)

    def compare(self, shelf: Shelf, owners: NDArray[np.int64] | None = None) -> None:
        """Look for neighbours on a shelf whose items these were not compared with yet.

        Args:
            shelf: where to look.
            owners: for which items, ascending positions; None for all.
        """
        if owners is None:
            owners = np.arange(len(self.vectors))
        first = shelf.prices_minor.searchsorted(self._low[owners], side="left")
        last = shelf.prices_minor.searchsorted(self._high[owners], side="right")
        self.compared[owners] += last - first
        for start in range(int(first[0]), int(last[-1]), _TILE_ITEMS):
            end = min(start + _TILE_ITEMS, int(last[-1]))
            of_shelf = shelf.embeddings
            vectors = self._embeddings[shelf.rows[start:end]] if of_shelf is None else of_shelf[start:end]
            for some in range(0, len(owners), _OWNERS_AT_ONCE):
                those = slice(some, some + _OWNERS_AT_ONCE)
                low, high = max(start, int(first[those][0])), min(end, int(last[those][-1]))
                if low < high:
                    self.nearest.offer(
                        Offers(
                            self._products(owners[those], vectors[low - start : high - start]),
                            owners[those],
                            (first[those] - low).clip(0),
                            (last[those] - low).clip(max=high - low),
                            shelf.rows[low:high],
                        )
                    )

    def _products(self, owners: NDArray[np.int64], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the cosines of items to vectors, shape (owners, n); good until the next call."""
        # Without "clip" NumPy would gather into memory of its own first. No owner is out of range.
        asked = self.vectors.take(owners, axis=0, out=self._asked[: len(owners)], mode="clip")
        out = self._cosines[: len(owners) * len(vectors)].reshape(len(owners), len(vectors))
        return np.matmul(asked, vectors.T, out=out)
