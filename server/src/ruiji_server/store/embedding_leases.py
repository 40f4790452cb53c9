"""Workers take embedding tasks under leases: a task is one worker's until its lease ends, and then anybody's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, func, literal, select, update

from ruiji_server.domain.items import Picture, PictureContent, PictureUri
from ruiji_server.store.clock import now_us
from ruiji_server.store.encoders import EncoderState, encoder_in
from ruiji_server.store.engine import Database
from ruiji_server.store.pacing import pace_of
from ruiji_server.store.schema import embedding_tasks, item_pictures, items
from ruiji_server.store.task_rows import (
    LONGEST_WAIT_S,
    after_us,
    leased_until,
    named_task,
    of_encoder,
    task_name,
    waiting_of,
)

_CLAIMED: Final = (
    embedding_tasks.c.item_id,
    embedding_tasks.c.picture_sha256,
    embedding_tasks.c.attempts,
    embedding_tasks.c.available_at_us,
)


@dataclass(frozen=True, slots=True)
class Lease:
    """A worker's right to one task. Its end is also its name: who claims the task later has another."""

    item_id: str
    picture_sha256: str
    lease_until_us: int
    """By the clock of the worker that claimed it."""


@dataclass(frozen=True, slots=True)
class EmbeddingTask:
    """A picture that one worker has taken, for the length of its lease."""

    item_id: str
    picture: Picture
    picture_sha256: str
    attempts: int
    """Failed tries before this one."""
    lease_until_us: int

    @property
    def lease(self) -> Lease:
        """What to renew while the picture is being embedded."""
        return Lease(self.item_id, self.picture_sha256, self.lease_until_us)


def claim(
    database: Database, encoder_id: str, limit: int, lease_s: float, max_bytes: int | None
) -> list[EmbeddingTask]:
    """Take due tasks, as `EmbeddingTaskStore.claim` says."""
    now = now_us()
    with database.read() as connection:
        encoder = encoder_in(connection, encoder_id)
        # An idle worker asks often; it should not take the writers' lock each time.
        is_due = None if encoder.state == EncoderState.RETIRED else _due(connection, encoder_id, now)
    if is_due is None:
        return []
    with database.write() as connection:
        pace = None if encoder.state == EncoderState.PROMOTED else pace_of(connection, encoder_id, now)
        due = (
            select(embedding_tasks.c.item_id)
            .where(is_due)
            .order_by(embedding_tasks.c.available_at_us)
            .limit(limit if pace is None else min(limit, pace.allowed))
            .with_for_update(skip_locked=True)
            .cte("due")
        )
        taking = (
            update(embedding_tasks)
            .where(of_encoder(encoder_id), embedding_tasks.c.item_id.in_(select(due.c.item_id)))
            .values(available_at_us=after_us(now, lease_s))
            .returning(*_CLAIMED)
        )
        claimed = {row.item_id: row for row in connection.execute(taking)}
        if max_bytes is not None:
            _give_back_beyond(connection, encoder_id, claimed, max_bytes)
        if pace is not None:
            pace.used(connection, len(claimed))
        # Read after the tasks are locked: a writer who changes a picture changes its task too, so both belong
        # together now. Read in the same statement, the picture could be older than the task.
        pictures = connection.execute(
            select(items.c.item_id, items.c.picture_sha256, items.c.picture_uri, item_pictures.c.content)
            .outerjoin(item_pictures, item_pictures.c.item_id == items.c.item_id)
            .where(items.c.item_id.in_(claimed))
        ).all()
    return [
        EmbeddingTask(
            item_id=row.item_id,
            picture=PictureContent(row.content) if row.picture_uri is None else PictureUri(row.picture_uri),
            picture_sha256=row.picture_sha256,
            attempts=claimed[row.item_id].attempts,
            lease_until_us=claimed[row.item_id].available_at_us,
        )
        for row in pictures
        if row.picture_sha256 == claimed[row.item_id].picture_sha256
    ]


def renew(database: Database, encoder_id: str, leases: Sequence[Lease], lease_s: float) -> list[Lease]:
    """Make leases longer, as `EmbeddingTaskStore.renew` says."""
    if not leases:
        return []
    until = after_us(now_us(), lease_s)
    held = {(lease.item_id, lease.picture_sha256, lease.lease_until_us) for lease in leases}
    with database.write() as connection:
        # Locked in the order of ids, as everybody locks tasks.
        rows = connection.execute(
            select(embedding_tasks.c.item_id, embedding_tasks.c.picture_sha256, embedding_tasks.c.available_at_us)
            .where(waiting_of(encoder_id), embedding_tasks.c.item_id.in_({lease.item_id for lease in leases}))
            .order_by(embedding_tasks.c.item_id)
            .with_for_update()
        ).all()
        kept = [row for row in rows if tuple(row) in held]
        if kept:
            connection.execute(
                update(embedding_tasks)
                .where(of_encoder(encoder_id), embedding_tasks.c.item_id.in_([row.item_id for row in kept]))
                .values(available_at_us=until)
            )
    return [Lease(row.item_id, row.picture_sha256, until) for row in kept]


def release(database: Database, encoder_id: str, leases: Sequence[EmbeddingTask | Lease]) -> None:
    """End leases before their time, as `EmbeddingTaskStore.release` says."""
    if not leases:
        return
    in_order = sorted(leases, key=lambda lease: lease.item_id)
    with database.write() as connection:
        connection.execute(
            update(embedding_tasks)
            .where(named_task(encoder_id), leased_until(bindparam("of_lease")))
            .values(available_at_us=now_us()),
            [
                {**task_name(lease.item_id, lease.picture_sha256), "of_lease": lease.lease_until_us}
                for lease in in_order
            ],
        )


def _due(connection: Connection, encoder_id: str, now: int) -> ColumnElement[bool] | None:
    """Return what is true of the tasks that may be taken now, or None if there are none."""
    available_at = embedding_tasks.c.available_at_us
    # Nothing waits for longer than LONGEST_WAIT_S, so what seems to was written by a clock that was ahead, and
    # would wait until this one gets there. Asked apart: both answers come from the ends of an index.
    for due in (available_at <= now, available_at > after_us(now, LONGEST_WAIT_S)):
        is_due = and_(waiting_of(encoder_id), due)
        # The order is the index's.
        if connection.execute(select(literal(1)).where(is_due).order_by(available_at).limit(1)).first() is not None:
            return is_due
    return None


def _give_back_beyond(connection: Connection, encoder_id: str, claimed: dict[str, Row[Any]], max_bytes: int) -> None:
    """Make those tasks due again whose inline pictures are too many bytes together, and forget them here."""
    sizes = connection.execute(
        select(item_pictures.c.item_id, func.length(item_pictures.c.content))
        .where(item_pictures.c.item_id.in_(claimed))
        .order_by(item_pictures.c.item_id)
    ).all()
    kept_bytes, beyond = 0, []
    for item_id, size in sizes:
        if kept_bytes and kept_bytes + size > max_bytes:
            beyond.append(item_id)
            del claimed[item_id]
        else:
            kept_bytes += size
    if beyond:
        connection.execute(
            update(embedding_tasks)
            .where(of_encoder(encoder_id), embedding_tasks.c.item_id.in_(beyond))
            .values(available_at_us=now_us())
        )
