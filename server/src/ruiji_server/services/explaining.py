"""What a request wants to know about items that are not on its page, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from ruiji.v1 import recommendation_pb2

from ruiji_server.columns.live import LiveColumns
from ruiji_server.domain import limits
from ruiji_server.domain.errors import InvalidArgument, Reason
from ruiji_server.ranking.query import DropReason, Page

_REASON = {
    reason: recommendation_pb2.DroppedItem.Reason.Value(f"REASON_{reason.name}") for reason in DropReason
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Explaining:
    """What is to be explained besides the page."""

    nearest: int = 0
    """How many of the nearest items that are not on the page."""
    rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """Named items, each once."""
    not_indexed: tuple[str, ...] = ()
    """Named items that have no row."""


NOTHING: Final = Explaining()


def explaining_of(request: recommendation_pb2.SimilarItemsRequest, live: LiveColumns) -> Explaining:
    """Return what a request wants explained; nothing unless it wants an explanation at all.

    Raises:
        InvalidArgument: too much of it.
    """
    if not request.explain:
        return NOTHING
    for name, number in (
        ("explain_dropped", request.explain_dropped),
        ("explain_item_ids", len(request.explain_item_ids)),
    ):
        if not 0 <= number <= limits.MAX_EXPLAINED_ITEMS:
            raise InvalidArgument(
                Reason.EXPLANATION_OUT_OF_RANGE,
                f"{number} items are to be explained; it must be between 0 and {limits.MAX_EXPLAINED_ITEMS}",
                field=name,
            )
    row_of = {item_id: live.row_of(item_id) for item_id in request.explain_item_ids}
    rows = sorted({row for row in row_of.values() if row is not None})
    missing = tuple(item_id for item_id, row in row_of.items() if row is None)
    return Explaining(request.explain_dropped, np.array(rows, dtype=np.int64), missing)


def dropped_items(page: Page, explaining: Explaining, live: LiveColumns) -> list[recommendation_pb2.DroppedItem]:
    """Return why items are not on a page, nearest first; those that are not indexed come last."""
    known = [
        recommendation_pb2.DroppedItem(
            item_id=live.item_id(dropped.row),
            reason=_REASON[dropped.reason],
            cosine=dropped.cosine,
            score=dropped.score,
            price_ratio=dropped.price_ratio,
            category_similarity=dropped.category_similarity,
        )
        for dropped in page.dropped
    ]
    return known + [
        recommendation_pb2.DroppedItem(item_id=item_id, reason=recommendation_pb2.DroppedItem.REASON_NOT_INDEXED)
        for item_id in explaining.not_indexed
    ]
