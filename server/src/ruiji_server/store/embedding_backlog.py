"""How far an encoder is behind the catalogue: how many tasks wait, since when, and how many were given up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import case, func, select

from ruiji_server.store.clock import now_us
from ruiji_server.store.embedding_failures import parked_by_reason
from ruiji_server.store.engine import Database
from ruiji_server.store.schema import embedding_tasks
from ruiji_server.store.task_rows import of_encoder, waiting_of


@dataclass(frozen=True, slots=True)
class Backlog:
    """How far one encoder is behind the catalogue."""

    waiting: int
    parked: int


@dataclass(frozen=True, slots=True)
class BacklogFigures:
    """The backlog as an operator looks at it."""

    waiting: int
    """Under way and waiting for another try included."""
    retrying: int
    """Of these, those that failed before."""
    oldest_due_s: float
    """How long the task that is due for the longest time has waited for a worker; 0 if none is due."""
    parked: Mapping[str, int]
    """Given up, by reason."""


def backlog(database: Database, encoder_id: str) -> Backlog:
    """Count waiting and parked tasks, as `EmbeddingTaskStore.backlog` says."""
    with database.read() as connection:
        rows = connection.execute(
            select(embedding_tasks.c.parked, func.count())
            .where(of_encoder(encoder_id))
            .group_by(embedding_tasks.c.parked)
        ).all()
    counts = {bool(parked): int(count) for parked, count in rows}
    return Backlog(waiting=counts.get(False, 0), parked=counts.get(True, 0))


def backlog_figures(database: Database, encoder_id: str) -> BacklogFigures:
    """Return the backlog by what an operator asks, as `EmbeddingTaskStore.figures` says."""
    with database.read() as connection:
        waiting, retrying = connection.execute(
            select(func.count(), func.count(case((embedding_tasks.c.attempts > 0, 1)))).where(waiting_of(encoder_id))
        ).one()
    first_due = next_due_us(database, encoder_id)
    waited_us = 0 if first_due is None else max(0, now_us() - first_due)
    return BacklogFigures(int(waiting), int(retrying), waited_us / 1e6, parked_by_reason(database, encoder_id))


def next_due_us(database: Database, encoder_id: str) -> int | None:
    """Return when the next task is due, as `EmbeddingTaskStore.next_due_us` says."""
    with database.read() as connection:
        return connection.execute(
            select(embedding_tasks.c.available_at_us)
            .where(waiting_of(encoder_id))
            .order_by(embedding_tasks.c.available_at_us)
            .limit(1)
        ).scalar_one_or_none()
