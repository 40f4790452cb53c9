"""Pages as contract messages."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from ruiji.v1 import recommendation_pb2

from ruiji_server.columns.live import LiveColumns
from ruiji_server.ranking.policy import RankingPolicy
from ruiji_server.ranking.query import NO_ROWS, Page


def rows_of(live: LiveColumns, item_ids: Collection[str]) -> NDArray[np.int64]:
    """Return the rows of those items that are here, each once, ascending; shape (n,)."""
    if not item_ids:
        return NO_ROWS
    rows = {live.row_of(item_id) for item_id in item_ids} - {None}
    return np.array(sorted(row for row in rows if row is not None), dtype=np.int64)


def explanation(page: Page, policy: RankingPolicy, embed_us: int) -> recommendation_pb2.Explanation:
    """Return how a page came about."""
    trace = page.trace
    return recommendation_pb2.Explanation(
        max_price_ratio=float("inf") if page.price_ratios is None else policy.max_price_ratio,
        category_weight=0.0 if page.category_similarities is None else policy.category_weight,
        band_items=trace.band_items or 0,
        candidates=trace.candidates,
        dropped_not_recommendable=trace.dropped_not_recommendable,
        dropped_by_price=trace.dropped_by_price,
        dropped_by_exclusion=trace.dropped_by_exclusion,
        widenings=trace.widenings,
        exact_scan=trace.exact_scan,
        neighbour_table=trace.from_table,
        embed_us=embed_us,
        search_us=trace.search_us,
        rank_us=trace.rank_us,
    )
