"""LanceDB: HNSW with scalar quantisation in one partition, prices filtered by SQL before the search.

Its documentation calls this index the best of recall and latency. Distances are of quantised vectors, so the candidates
get exact cosines here.
"""

from __future__ import annotations

from pathlib import Path

import lancedb
import numpy as np
import pyarrow as pa
from lancedb.index import Bitmap, BTree, HnswSq

from benchmarks.comparison.engines.engine import CONNECTIVITY, EXPANSION_ADD
from benchmarks.comparison.job import CANDIDATES, Catalogue, Cosines, Rows

_TABLE = "items"


def build(catalogue: Catalogue, folder: Path) -> None:
    """Write the table, then index vectors and what is filtered by."""
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(catalogue.vectors.reshape(-1)), catalogue.vectors.shape[1])
    items = pa.table(
        {
            "row": pa.array(np.arange(len(catalogue.ids))),
            "price": pa.array(catalogue.prices),
            "on_sale": pa.array(catalogue.on_sale),
            "vector": vectors,
        }
    )
    table = lancedb.connect(folder).create_table(_TABLE, items)
    graph = HnswSq(distance_type="dot", num_partitions=1, m=CONNECTIVITY, ef_construction=EXPANSION_ADD)
    table.create_index("vector", config=graph)
    table.create_index("price", config=BTree())
    table.create_index("on_sale", config=Bitmap())
    table.optimize()


async def open_engine(catalogue: Catalogue, folder: Path) -> LancedbTable:
    """Open the table, and read its index into the cache by one question."""
    connection = await lancedb.connect_async(folder)
    engine = LancedbTable(catalogue, await connection.open_table(_TABLE))
    await engine.candidates(0, CANDIDATES)
    return engine


class LancedbTable:
    """See the module."""

    def __init__(self, catalogue: Catalogue, table: lancedb.AsyncTable) -> None:
        self._catalogue = catalogue
        self._table = table

    async def candidates(self, row: int, breadth: int) -> tuple[Rows, Cosines]:
        """See `Engine`."""
        low, high = self._catalogue.band(row)
        query = (
            self._table.query()
            .nearest_to(self._catalogue.vectors[row])
            .distance_type("dot")
            .nprobes(1)
            .ef(max(breadth, CANDIDATES + 1))
            .where(f"price >= {low} AND price <= {high} AND on_sale")
            # The distance by name: left out, LanceDB adds it, and writes a warning for every query.
            .select(["row", "_distance"])
            .limit(CANDIDATES + 1)
        )
        rows = (await query.to_arrow())["row"].to_numpy()
        rows = rows[rows != row]
        cosines = self._catalogue.cosines(row, rows)
        best = np.argsort(-cosines)[:CANDIDATES]
        return rows[best], cosines[best]

    async def close(self) -> None:
        """See `Engine`."""
        self._table.close()
