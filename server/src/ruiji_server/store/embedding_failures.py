"""Pictures that did not become embeddings: tried again after a pause, or parked until somebody asks for another try."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, and_, func, select, true, update

from ruiji_server.domain.errors import Reason
from ruiji_server.store.clock import now_us
from ruiji_server.store.engine import Database
from ruiji_server.store.schema import embedding_tasks
from ruiji_server.store.task_rows import after_us, leased_until, named_task, of_encoder, parked_of, task_name

_UNPARKED_AT_ONCE: Final = 2_000


@dataclass(frozen=True, slots=True)
class FailedTask:
    """A picture that did not become an embedding."""

    item_id: str
    picture_sha256: str
    reason: Reason
    message: str
    retry_after_s: float | None
    """None parks the task: trying again cannot help."""
    lease_until_us: int | None = None
    """Notes nothing if the task was given to another worker since; None notes it in any case."""


def fail(database: Database, encoder_id: str, failed: Sequence[FailedTask]) -> None:
    """Note why tasks failed, as `EmbeddingTaskStore.fail` says."""
    now = now_us()
    with database.write() as connection:
        for task in sorted(failed, key=lambda task: task.item_id):
            still = true() if task.lease_until_us is None else leased_until(task.lease_until_us)
            connection.execute(
                update(embedding_tasks)
                .where(named_task(encoder_id), still)
                .values(
                    attempts=embedding_tasks.c.attempts + 1,
                    parked=task.retry_after_s is None,
                    available_at_us=after_us(now, task.retry_after_s or 0.0),
                    reason=str(task.reason),
                    message=task.message,
                ),
                task_name(task.item_id, task.picture_sha256),
            )


def unpark(database: Database, encoder_id: str, reason: str | None, item_ids: Sequence[str] | None) -> int:
    """Give parked tasks another chance, as `EmbeddingTaskStore.unpark` says."""
    # Whatever is parked again meanwhile is not taken twice.
    total, count = sum(parked_by_reason(database, encoder_id, reason, item_ids).values()), 0
    page = select(embedding_tasks.c.item_id).where(_parked_for(encoder_id, reason, item_ids)).limit(_UNPARKED_AT_ONCE)
    while count < total:
        with database.write() as connection:
            found = list(connection.scalars(page))
            if not found:
                break
            locked = (
                select(embedding_tasks.c.item_id)
                .where(_parked_for(encoder_id, None, found))
                .order_by(embedding_tasks.c.item_id)
                .with_for_update()
            )
            count += connection.execute(
                update(embedding_tasks)
                .where(of_encoder(encoder_id), embedding_tasks.c.item_id.in_(locked))
                .values(parked=False, attempts=0, available_at_us=now_us())
            ).rowcount
    return count


def parked_by_reason(
    database: Database, encoder_id: str, reason: str | None = None, item_ids: Sequence[str] | None = None
) -> dict[str, int]:
    """Count parked tasks, as `EmbeddingTaskStore.parked_by_reason` says."""
    with database.read() as connection:
        rows = connection.execute(
            select(embedding_tasks.c.reason, func.count())
            .where(_parked_for(encoder_id, reason, item_ids))
            .group_by(embedding_tasks.c.reason)
            .order_by(embedding_tasks.c.reason)
        ).all()
    return {found or "": int(count) for found, count in rows}


def parked(database: Database, encoder_id: str, limit: int) -> list[FailedTask]:
    """Return parked tasks, as `EmbeddingTaskStore.parked` says."""
    with database.read() as connection:
        rows = connection.execute(
            select(embedding_tasks).where(parked_of(encoder_id)).order_by(embedding_tasks.c.item_id).limit(limit)
        ).all()
    return [FailedTask(row.item_id, row.picture_sha256, Reason(row.reason), row.message, None) for row in rows]


def _parked_for(encoder_id: str, reason: str | None, item_ids: Sequence[str] | None) -> ColumnElement[bool]:
    chosen = [parked_of(encoder_id)]
    if reason is not None:
        chosen.append(embedding_tasks.c.reason == reason)
    if item_ids is not None:
        chosen.append(embedding_tasks.c.item_id.in_(item_ids))
    return and_(*chosen)
