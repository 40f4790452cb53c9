"""hnswlib: HNSW over float32, inner product. Prices are filtered after the search, with more neighbours asked for.

Its filter is a Python function called for each vector that the search meets, which is slower than asking for more.
"""

from __future__ import annotations

from pathlib import Path

import hnswlib
import numpy as np

from benchmarks.comparison.engines.engine import CONNECTIVITY, EXPANSION_ADD
from benchmarks.comparison.job import Catalogue, Cosines, Rows, search_and_filter

_FILE = "index.hnswlib"


def build(catalogue: Catalogue, folder: Path) -> None:
    """Build with all cores."""
    index = hnswlib.Index(space="ip", dim=catalogue.vectors.shape[1])
    index.init_index(len(catalogue.ids), ef_construction=EXPANSION_ADD, M=CONNECTIVITY, random_seed=0)
    index.add_items(catalogue.vectors, np.arange(len(catalogue.ids)))
    index.save_index(str(folder / _FILE))


async def open_engine(catalogue: Catalogue, folder: Path) -> HnswlibIndex:
    """Load the index."""
    index = hnswlib.Index(space="ip", dim=catalogue.vectors.shape[1])
    index.load_index(str(folder / _FILE))
    index.set_num_threads(1)
    return HnswlibIndex(catalogue, index)


class HnswlibIndex:
    """See the module."""

    def __init__(self, catalogue: Catalogue, index: hnswlib.Index) -> None:
        self._catalogue = catalogue
        self._index = index
        self._ef = 0

    async def candidates(self, row: int, breadth: int) -> tuple[Rows, Cosines]:
        """See `Engine`."""
        query = self._catalogue.vectors[row]

        def search(k: int) -> tuple[Rows, Cosines]:
            if k != self._ef:
                self._index.set_ef(k)
                self._ef = k
            rows, distances = self._index.knn_query(query, k)
            cosines: Cosines = np.float32(1) - distances[0]
            return rows[0].astype(np.int64), cosines

        return search_and_filter(self._catalogue, row, breadth, search)

    async def close(self) -> None:
        """See `Engine`."""
