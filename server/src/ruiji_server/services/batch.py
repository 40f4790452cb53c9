"""Many queries in one call.

They are answered one after the other, with a turn of the event loop between them: other calls wait for one query of a
batch at most, and a batch whose caller has left or whose deadline has passed is cancelled there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from ruiji.v1 import recommendation_pb2

from ruiji_server.domain import limits
from ruiji_server.domain.errors import InvalidArgument, Reason, RuijiError
from ruiji_server.services.failures import error_detail

AnswerOne = Callable[[str], Awaitable[recommendation_pb2.SimilarItemsOutcome]]


async def answer_each(item_ids: Sequence[str], answer: AnswerOne) -> list[recommendation_pb2.SimilarItemsOutcome]:
    """Return what became of each query, in order.

    Args:
        item_ids: the queries.
        answer: answers one; a `RuijiError` that it raises becomes the error of that query.

    Raises:
        InvalidArgument: there are none, or too many.
    """
    if not item_ids:
        raise InvalidArgument(Reason.BATCH_EMPTY, "the batch has no item_ids", field="item_ids")
    if len(item_ids) > limits.MAX_BATCH_QUERIES:
        raise InvalidArgument(
            Reason.BATCH_TOO_LARGE,
            f"the batch has {len(item_ids)} item_ids; at most {limits.MAX_BATCH_QUERIES} are taken",
            field="item_ids",
        )
    outcomes = []
    for item_id in item_ids:
        try:
            outcomes.append(await answer(item_id))
        except RuijiError as error:
            outcomes.append(recommendation_pb2.SimilarItemsOutcome(item_id=item_id, error=error_detail(error)))
        await asyncio.sleep(0)
    return outcomes
