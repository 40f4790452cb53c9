"""FAISS: HNSW over float32, inner product. Prices are filtered after the search, with more neighbours asked for."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np

from benchmarks.comparison.engines.engine import CONNECTIVITY, EXPANSION_ADD
from benchmarks.comparison.job import Catalogue, Cosines, Rows, search_and_filter

_FILE = "index.faiss"


def build(catalogue: Catalogue, folder: Path) -> None:
    """Build with all cores."""
    index = faiss.IndexHNSWFlat(catalogue.vectors.shape[1], CONNECTIVITY, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = EXPANSION_ADD
    index.add(np.ascontiguousarray(catalogue.vectors))
    faiss.write_index(index, str(folder / _FILE))


async def open_engine(catalogue: Catalogue, folder: Path) -> FaissHnsw:
    """Load the index."""
    # One thread: a single query has nothing to share out.
    faiss.omp_set_num_threads(1)
    return FaissHnsw(catalogue, faiss.read_index(str(folder / _FILE)))


class FaissHnsw:
    """See the module."""

    def __init__(self, catalogue: Catalogue, index: faiss.IndexHNSWFlat) -> None:
        self._catalogue = catalogue
        self._index = index

    async def candidates(self, row: int, breadth: int) -> tuple[Rows, Cosines]:
        """See `Engine`."""
        query = self._catalogue.vectors[row : row + 1]

        def search(k: int) -> tuple[Rows, Cosines]:
            cosines, rows = self._index.search(query, k, params=faiss.SearchParametersHNSW(efSearch=k))
            found = rows[0] >= 0
            return rows[0][found], cosines[0][found]

        return search_and_filter(self._catalogue, row, breadth, search)

    async def close(self) -> None:
        """See `Engine`."""
