"""Applying requests once, however often it is sent: request ids and the answers they were given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, select, update

from ruiji_server.domain.errors import InvalidArgument, Reason
from ruiji_server.store.answers import UpsertAnswer, answer_from_json, answer_to_json
from ruiji_server.store.rows import insert_missing
from ruiji_server.store.schema import applied_requests
from ruiji_server.store.statements import FrequentStatement

REQUEST_MEMORY_S = 7 * 24 * 3600
"""How long a request id is remembered; the contract promises 24 hours."""

_KNOWN = select(applied_requests.c.request_id, applied_requests.c.content_sha256, applied_requests.c.answer).where(
    applied_requests.c.request_id.in_(bindparam("request_ids", expanding=True))
)
_ANSWER = FrequentStatement(
    update(applied_requests)
    .where(applied_requests.c.request_id == bindparam("of_request"))
    .values(answer=bindparam("given"))
)
_OLD = (
    select(applied_requests.c.request_id)
    .where(applied_requests.c.applied_at_us < bindparam("before_us"))
    .limit(bindparam("at_most"))
    .with_for_update(skip_locked=True)
    .cte("old")
)
_FORGET = delete(applied_requests).where(applied_requests.c.request_id.in_(select(_OLD.c.request_id)))


@dataclass(frozen=True, slots=True)
class RequestName:
    """What makes a request the same request."""

    request_id: str
    """The caller's name for it."""
    content_sha256: str
    """Over the whole request, to notice a request id that is used twice."""


def begin_requests(
    connection: Connection, requests: Sequence[RequestName], *, now_us: int
) -> dict[str, UpsertAnswer | InvalidArgument]:
    """Take request ids for this transaction.

    A request that is sent again while it is being applied waits here for its answer.

    Args:
        connection: in a transaction that writes.
        requests: with different ids.
        now_us: when.

    Returns:
        By request id, for those that were applied before: the answer of then, or the failure where the request id
        belongs to another batch.
    """
    contents = {request.request_id: request.content_sha256 for request in requests}
    rows = [
        {"request_id": request_id, "content_sha256": contents[request_id], "answer": "", "applied_at_us": now_us}
        for request_id in sorted(contents)
    ]
    taken = insert_missing(connection, applied_requests, rows)
    if len(taken) == len(rows):
        return {}
    known = connection.execute(_KNOWN, {"request_ids": list(contents.keys() - taken)})
    return {
        row.request_id: answer_from_json(row.answer)
        if row.content_sha256 == contents[row.request_id]
        else InvalidArgument(
            Reason.REQUEST_ID_REUSED,
            f"request id {row.request_id!r} was used for another batch; choose a new one for each",
            field="request_id",
        )
        for row in known
    }


def end_requests(connection: Connection, answers: Mapping[str, UpsertAnswer]) -> None:
    """Keep the answers by request id."""
    _ANSWER.each(
        connection,
        [{"of_request": request_id, "given": answer_to_json(answers[request_id])} for request_id in sorted(answers)],
    )


def forget_requests(connection: Connection, *, at_most: int, now_us: int) -> None:
    """Forget some requests that are too old to be repeated."""
    connection.execute(_FORGET, {"before_us": now_us - REQUEST_MEMORY_S * 1_000_000, "at_most": at_most})
