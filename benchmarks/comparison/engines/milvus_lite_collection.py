"""Milvus in the process (milvus-lite, which is pure Python over FAISS): HNSW, prices filtered by an expression.

Its client starts a gRPC server in a thread of the process and asks that one, so a request crosses gRPC as with Milvus.
Not Milvus's server, which does not come from a package registry; this is what its documentation offers for one machine
and small data.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pymilvus import DataType, MilvusClient

from benchmarks.comparison.engines.engine import CONNECTIVITY, EXPANSION_ADD
from benchmarks.comparison.job import CANDIDATES, Catalogue, Cosines, Rows

_COLLECTION = "items"
_AT_ONCE = 5_000


def build(catalogue: Catalogue, folder: Path) -> None:
    """Insert everything, then index vectors and prices."""
    client = MilvusClient(str(folder / "milvus.db"))
    schema = MilvusClient.create_schema(auto_id=False)
    schema.add_field("row", DataType.INT64, is_primary=True)
    schema.add_field("price", DataType.INT64)
    schema.add_field("on_sale", DataType.BOOL)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=catalogue.vectors.shape[1])
    client.create_collection(_COLLECTION, schema=schema)
    for start in range(0, len(catalogue.ids), _AT_ONCE):
        rows = range(start, min(start + _AT_ONCE, len(catalogue.ids)))
        client.insert(
            _COLLECTION,
            [
                {
                    "row": row,
                    "price": int(catalogue.prices[row]),
                    "on_sale": bool(catalogue.on_sale[row]),
                    "vector": catalogue.vectors[row].tolist(),
                }
                for row in rows
            ],
        )
    client.flush(_COLLECTION)
    indexes = client.prepare_index_params()
    graph = {"M": CONNECTIVITY, "efConstruction": EXPANSION_ADD}
    indexes.add_index("vector", index_type="HNSW", metric_type="IP", params=graph)
    indexes.add_index("price", index_type="INVERTED")
    client.create_index(_COLLECTION, indexes)
    client.load_collection(_COLLECTION)
    client.close()


async def open_engine(catalogue: Catalogue, folder: Path) -> MilvusLiteCollection:
    """Load the collection."""
    client = MilvusClient(str(folder / "milvus.db"))
    client.load_collection(_COLLECTION)
    return MilvusLiteCollection(catalogue, client)


class MilvusLiteCollection:
    """See the module."""

    def __init__(self, catalogue: Catalogue, client: MilvusClient) -> None:
        self._catalogue = catalogue
        self._client = client

    async def candidates(self, row: int, breadth: int) -> tuple[Rows, Cosines]:
        """See `Engine`."""
        low, high = self._catalogue.band(row)
        # Blocks the event loop: on one core a thread would bring nothing.
        (found,) = self._client.search(
            _COLLECTION,
            data=[self._catalogue.vectors[row]],
            anns_field="vector",
            filter=f"price >= {low} and price <= {high} and on_sale == true",
            limit=CANDIDATES + 1,
            search_params={"params": {"ef": max(breadth, CANDIDATES + 1)}},
        )
        rows = np.array([hit["row"] for hit in found], dtype=np.int64)
        cosines = np.array([hit["distance"] for hit in found], dtype=np.float32)
        others = rows != row
        return rows[others][:CANDIDATES], cosines[others][:CANDIDATES]

    async def close(self) -> None:
        """See `Engine`."""
        self._client.close()
