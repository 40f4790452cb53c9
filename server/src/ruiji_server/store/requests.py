"""Applying a request once, however often it is sent: request ids and the answers they were given."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select, update

from ruiji_server.domain.errors import InvalidArgument, Reason
from ruiji_server.store.answers import UpsertAnswer, answer_from_json, answer_to_json
from ruiji_server.store.rows import insert_missing
from ruiji_server.store.schema import applied_requests

REQUEST_MEMORY_S = 7 * 24 * 3600
"""How long a request id is remembered; the contract promises 24 hours."""
_FORGOTTEN_AT_ONCE = 100
"""More than one request brings, so that what is old never piles up; few, so that nobody waits for it."""


def begin_request(connection: Connection, request_id: str, content_sha256: str, *, now_us: int) -> UpsertAnswer | None:
    """Take the request id for this transaction, or return the answer that the request got before.

    A request that is sent again while it is being applied waits here for its answer.

    Raises:
        InvalidArgument: the request id belongs to another batch.
    """
    row = {"request_id": request_id, "content_sha256": content_sha256, "answer": "", "applied_at_us": now_us}
    if insert_missing(connection, applied_requests, row):
        return None
    known = connection.execute(
        select(applied_requests.c.content_sha256, applied_requests.c.answer).where(
            applied_requests.c.request_id == request_id
        )
    ).one()
    if known.content_sha256 != content_sha256:
        raise InvalidArgument(
            Reason.REQUEST_ID_REUSED,
            f"request id {request_id!r} was used for another batch; choose a new one for each",
            field="request_id",
        )
    return answer_from_json(known.answer)


def end_request(connection: Connection, request_id: str, answer: UpsertAnswer, *, now_us: int) -> None:
    """Keep the answer, and forget some requests that are too old to be repeated."""
    connection.execute(
        update(applied_requests)
        .where(applied_requests.c.request_id == request_id)
        .values(answer=answer_to_json(answer))
    )
    old = (
        select(applied_requests.c.request_id)
        .where(applied_requests.c.applied_at_us < now_us - REQUEST_MEMORY_S * 1_000_000)
        .limit(_FORGOTTEN_AT_ONCE)
        .with_for_update(skip_locked=True)
        .cte("old")
    )
    connection.execute(delete(applied_requests).where(applied_requests.c.request_id.in_(select(old.c.request_id))))
