"""Qdrant's engine in the process (qdrant-edge): HNSW, with price and state as indexed payload, filtered in the search.

Not Qdrant's server: that one cannot be had from a package registry. There is no network hop between the application
and this engine, which is in its favour.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from qdrant_edge import (
    Distance,
    EdgeConfig,
    EdgeOptimizersConfig,
    EdgeShard,
    EdgeVectorParams,
    FieldCondition,
    Filter,
    HnswIndexConfig,
    MatchValue,
    PayloadSchemaType,
    Point,
    Query,
    QueryRequest,
    RangeFloat,
    SearchParams,
    UpdateOperation,
)

from benchmarks.comparison.engines.engine import CONNECTIVITY, EXPANSION_ADD
from benchmarks.comparison.job import CANDIDATES, Catalogue, Cosines, Rows

_AT_ONCE = 1_000
_FULL_SCAN_THRESHOLD_KB = 10_000
"""The default of Qdrant's server."""
_INDEXING_THRESHOLD_KB = 1_000
"""Below the default, so that small catalogues get a graph as well."""


def build(catalogue: Catalogue, folder: Path) -> None:
    """Insert everything, index the payload, then let the optimiser build one segment's graph."""
    vectors = EdgeVectorParams(size=catalogue.vectors.shape[1], distance=Distance.Dot)
    hnsw = HnswIndexConfig(CONNECTIVITY, EXPANSION_ADD, _FULL_SCAN_THRESHOLD_KB)
    optimizers = EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=_INDEXING_THRESHOLD_KB)
    shard = EdgeShard.create(str(folder), EdgeConfig(vectors=vectors, hnsw_config=hnsw, optimizers=optimizers))
    shard.update(UpdateOperation.create_field_index("price", PayloadSchemaType.Integer))
    shard.update(UpdateOperation.create_field_index("on_sale", PayloadSchemaType.Integer))
    for start in range(0, len(catalogue.ids), _AT_ONCE):
        points = [
            Point(
                row,
                catalogue.vectors[row].tolist(),
                {"price": int(catalogue.prices[row]), "on_sale": int(catalogue.on_sale[row])},
            )
            for row in range(start, min(start + _AT_ONCE, len(catalogue.ids)))
        ]
        shard.update(UpdateOperation.upsert_points(points))
    shard.flush()
    shard.optimize()
    if not shard.info().indexed_vectors_count:
        raise RuntimeError("qdrant-edge indexed nothing: the segments are below its indexing threshold")
    shard.flush()
    shard.close()


async def open_engine(catalogue: Catalogue, folder: Path) -> QdrantEdgeShard:
    """Load the shard."""
    return QdrantEdgeShard(catalogue, EdgeShard.load(str(folder)))


class QdrantEdgeShard:
    """See the module."""

    def __init__(self, catalogue: Catalogue, shard: EdgeShard) -> None:
        self._catalogue = catalogue
        self._shard = shard

    async def candidates(self, row: int, breadth: int) -> tuple[Rows, Cosines]:
        """See `Engine`."""
        low, high = self._catalogue.band(row)
        found = self._shard.query(
            QueryRequest(
                # One more, since the item itself is among them: cheaper than a condition on its id.
                limit=CANDIDATES + 1,
                query=Query.Nearest(self._catalogue.vectors[row].tolist()),
                filter=Filter(
                    must=[
                        FieldCondition("price", range=RangeFloat(gte=low, lte=high)),
                        # A number: this version takes True for one as well, and then finds no boolean that is equal.
                        FieldCondition("on_sale", match=MatchValue(1)),
                    ]
                ),
                params=SearchParams(hnsw_ef=breadth),
                with_payload=False,
                with_vector=False,
            )
        )
        rows = np.array([point.id for point in found], dtype=np.int64)
        cosines = np.array([point.score for point in found], dtype=np.float32)
        others = rows != row
        return rows[others][:CANDIDATES], cosines[others][:CANDIDATES]

    async def close(self) -> None:
        """See `Engine`."""
        self._shard.close()
