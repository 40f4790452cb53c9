"""Which pictures wait for which encoder, who works on them, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal,
    select,
    true,
    update,
)

from ruiji_server.domain.errors import NotReady, Reason
from ruiji_server.domain.items import Picture, PictureContent, PictureUri
from ruiji_server.store.clock import now_us
from ruiji_server.store.embedded_items import VECTOR_DTYPE, embedded
from ruiji_server.store.encoders import EncoderState, EncoderStateError, encoder_in, register_encoder
from ruiji_server.store.engine import Database
from ruiji_server.store.feed import append_changes
from ruiji_server.store.pacing import pace_of
from ruiji_server.store.rows import upsert_rows
from ruiji_server.store.schema import embedding_tasks, embeddings, item_pictures, items

LONGEST_WAIT_S: Final = 900.0
"""No lease and no pause before a retry is longer; what is asked for beyond it is cut."""
_UNPARKED_AT_ONCE: Final = 2_000
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


@dataclass(frozen=True, slots=True)
class FinishedTask:
    """A picture and its embedding."""

    item_id: str
    picture_sha256: str
    vector: NDArray[np.float32]
    """Shape (dimensions,), unit length."""


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


class EmbeddingTaskStore:
    """Tasks and embeddings of one encoder. Every write is durable when its method returns. Blocking.

    Attributes:
        database: the store.
        encoder_id: the encoder.
    """

    def __init__(self, database: Database, encoder_id: str) -> None:
        self.database = self._database = database
        self.encoder_id = encoder_id

    def register_encoder(self, name: str, dimensions: int) -> None:
        """Make the encoder known and give it a task for every item; does nothing if that was done."""
        register_encoder(self._database, self.encoder_id, name, dimensions)

    def claim(self, limit: int, lease_s: float, max_bytes: int | None = None) -> list[EmbeddingTask]:
        """Take up to `limit` due tasks; nobody else gets them until the lease ends or they are finished.

        Pictures come along where the store has their bytes: at most `max_bytes` of them together, or one picture.
        The longest due are taken first. An encoder that is not promoted gets what its rate allows (see `pacing`), and
        a retired one nothing.

        Raises:
            UnknownEncoder: the encoder was never registered.
        """
        now = now_us()
        lease_s = min(lease_s, LONGEST_WAIT_S)
        with self._database.read() as connection:
            encoder = encoder_in(connection, self.encoder_id)
            # An idle worker asks often; it should not take the writers' lock each time.
            is_due = None if encoder.state == EncoderState.RETIRED else self._due(connection, now)
        if is_due is None:
            return []
        with self._database.write() as connection:
            pace = None if encoder.state == EncoderState.PROMOTED else pace_of(connection, self.encoder_id, now)
            due = (
                select(embedding_tasks.c.item_id)
                .where(is_due)
                .order_by(embedding_tasks.c.available_at_us)
                .limit(limit if pace is None else min(limit, pace.allowed))
                .with_for_update(skip_locked=True)
                .cte("due")
            )
            claim = (
                update(embedding_tasks)
                .where(self._mine, embedding_tasks.c.item_id.in_(select(due.c.item_id)))
                .values(available_at_us=now + round(lease_s * 1e6))
                .returning(*_CLAIMED)
            )
            claimed = {row.item_id: row for row in connection.execute(claim)}
            if max_bytes is not None:
                self._give_back_beyond(connection, claimed, max_bytes)
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

    def renew(self, leases: Sequence[Lease], lease_s: float) -> list[Lease]:
        """Make leases longer, from now on; return the new ones of those that were still held.

        The others were lost: the task is finished, its picture was replaced, or the lease had ended and another worker
        took the task.
        """
        if not leases:
            return []
        until = now_us() + round(min(lease_s, LONGEST_WAIT_S) * 1e6)
        held = {(lease.item_id, lease.picture_sha256, lease.lease_until_us) for lease in leases}
        with self._database.write() as connection:
            # Locked in the order of ids, as everybody locks tasks.
            rows = connection.execute(
                select(embedding_tasks.c.item_id, embedding_tasks.c.picture_sha256, embedding_tasks.c.available_at_us)
                .where(
                    self._mine,
                    embedding_tasks.c.parked.is_(False),
                    embedding_tasks.c.item_id.in_({lease.item_id for lease in leases}),
                )
                .order_by(embedding_tasks.c.item_id)
                .with_for_update()
            ).all()
            kept = [row for row in rows if tuple(row) in held]
            if kept:
                connection.execute(
                    update(embedding_tasks)
                    .where(self._mine, embedding_tasks.c.item_id.in_([row.item_id for row in kept]))
                    .values(available_at_us=until)
                )
        return [Lease(row.item_id, row.picture_sha256, until) for row in kept]

    def finish(self, finished: Sequence[FinishedTask]) -> None:
        """Store embeddings and remove their tasks, unless a newer picture has come meanwhile. Safe to repeat.

        Embeddings of an encoder that was retired meanwhile are dropped.

        Raises:
            UnknownEncoder: the encoder was never registered.
            EncoderStateError: a vector is not of this encoder's dimensions; nothing was stored.
        """
        if not finished:
            return
        with self._database.write() as connection:
            rows = connection.execute(
                select(items.c.item_id, items.c.picture_sha256)
                .where(items.c.item_id.in_([task.item_id for task in finished]))
                .order_by(items.c.item_id)
                .with_for_update(read=True)
            )
            current = {row.item_id: row.picture_sha256 for row in rows}
            # After the items are locked: from here on nobody retires the encoder.
            encoder = encoder_in(connection, self.encoder_id)
            if encoder.state == EncoderState.RETIRED:
                return
            for task in finished:
                if task.vector.shape != (encoder.dimensions,):
                    raise EncoderStateError(
                        f"a vector of shape {task.vector.shape} is none of encoder {self.encoder_id}, which has "
                        f"{encoder.dimensions} dimensions; does Triton serve another model under its name?"
                    )
            good = {task.item_id: task for task in finished if current.get(task.item_id) == task.picture_sha256}
            if not good:
                return
            in_order = [good[item_id] for item_id in sorted(good)]
            upsert_rows(
                connection,
                embeddings,
                [
                    {
                        "encoder_id": self.encoder_id,
                        "item_id": task.item_id,
                        "picture_sha256": task.picture_sha256,
                        "vector": task.vector.astype(VECTOR_DTYPE).tobytes(),
                    }
                    for task in in_order
                ],
            )
            connection.execute(delete(embedding_tasks).where(self._task_of), [_key(task) for task in in_order])
            append_changes(connection, [task.item_id for task in in_order], self.encoder_id)

    def fail(self, failed: Sequence[FailedTask]) -> None:
        """Note why tasks failed; park those that cannot succeed."""
        now = now_us()
        with self._database.write() as connection:
            for task in sorted(failed, key=lambda task: task.item_id):
                still = true() if task.lease_until_us is None else self._leased_until(task.lease_until_us)
                connection.execute(
                    update(embedding_tasks)
                    .where(self._task_of, still)
                    .values(
                        attempts=embedding_tasks.c.attempts + 1,
                        parked=task.retry_after_s is None,
                        available_at_us=now + round(min(task.retry_after_s or 0.0, LONGEST_WAIT_S) * 1e6),
                        reason=str(task.reason),
                        message=task.message,
                    ),
                    _key(task),
                )

    def release(self, tasks: Sequence[EmbeddingTask | Lease]) -> None:
        """Give tasks back untried, for instance because Triton is away. Those of other workers stay theirs."""
        if not tasks:
            return
        in_order = sorted(tasks, key=lambda task: task.item_id)
        with self._database.write() as connection:
            connection.execute(
                update(embedding_tasks)
                .where(self._task_of, self._leased_until(bindparam("of_lease")))
                .values(available_at_us=now_us()),
                [{**_key(task), "of_lease": task.lease_until_us} for task in in_order],
            )

    def unpark(self, reason: str | None = None, item_ids: Sequence[str] | None = None) -> int:
        """Give parked tasks another chance, some thousand at a time; return how many there were.

        Args:
            reason: only those parked for this reason.
            item_ids: only those of these items; at most some thousand.
        """
        # Whatever is parked again meanwhile is not taken twice.
        total, count = sum(self.parked_by_reason(reason, item_ids).values()), 0
        page = select(embedding_tasks.c.item_id).where(self._parked_for(reason, item_ids)).limit(_UNPARKED_AT_ONCE)
        while count < total:
            with self._database.write() as connection:
                found = list(connection.scalars(page))
                if not found:
                    break
                locked = (
                    select(embedding_tasks.c.item_id)
                    .where(self._parked_for(None, found))
                    .order_by(embedding_tasks.c.item_id)
                    .with_for_update()
                )
                count += connection.execute(
                    update(embedding_tasks)
                    .where(self._mine, embedding_tasks.c.item_id.in_(locked))
                    .values(parked=False, attempts=0, available_at_us=now_us())
                ).rowcount
        return count

    def parked_by_reason(self, reason: str | None = None, item_ids: Sequence[str] | None = None) -> dict[str, int]:
        """Return how many tasks are parked for each reason; the arguments are those of `unpark`."""
        with self._database.read() as connection:
            rows = connection.execute(
                select(embedding_tasks.c.reason, func.count())
                .where(self._parked_for(reason, item_ids))
                .group_by(embedding_tasks.c.reason)
                .order_by(embedding_tasks.c.reason)
            ).all()
        return {found or "": int(count) for found, count in rows}

    def backlog(self) -> Backlog:
        """Return how many tasks wait (leased ones included) and how many are parked."""
        with self._database.read() as connection:
            rows = connection.execute(
                select(embedding_tasks.c.parked, func.count()).where(self._mine).group_by(embedding_tasks.c.parked)
            ).all()
        counts = {bool(parked): int(count) for parked, count in rows}
        return Backlog(waiting=counts.get(False, 0), parked=counts.get(True, 0))

    def figures(self) -> BacklogFigures:
        """Return the backlog by what an operator asks; reads every task's entry in an index."""
        with self._database.read() as connection:
            waiting, retrying = connection.execute(
                select(func.count(), func.count(case((embedding_tasks.c.attempts > 0, 1)))).where(
                    self._mine, embedding_tasks.c.parked.is_(False)
                )
            ).one()
        first_due = self.next_due_us()
        waited_us = 0 if first_due is None else max(0, now_us() - first_due)
        return BacklogFigures(int(waiting), int(retrying), waited_us / 1e6, self.parked_by_reason())

    def next_due_us(self) -> int | None:
        """Return when the next task is due, or was: new, after its pause, or left by a dead worker; None if none is."""
        with self._database.read() as connection:
            return connection.execute(
                select(embedding_tasks.c.available_at_us)
                .where(self._mine, embedding_tasks.c.parked.is_(False))
                .order_by(embedding_tasks.c.available_at_us)
                .limit(1)
            ).scalar_one_or_none()

    def parked(self, limit: int) -> Iterator[FailedTask]:
        """Yield parked tasks with their reasons, at most `limit`."""
        with self._database.read() as connection:
            rows = connection.execute(
                select(embedding_tasks)
                .where(self._mine, embedding_tasks.c.parked.is_(True))
                .order_by(embedding_tasks.c.item_id)
                .limit(limit)
            ).all()
        for row in rows:
            yield FailedTask(row.item_id, row.picture_sha256, Reason(row.reason), row.message, None)

    def vector(self, item_id: str) -> NDArray[np.float32]:
        """Return the embedding of an item's present picture, shape (dimensions,), unit length.

        Raises:
            NotReady: there is none yet, or there will not be one; the message says why.
        """
        with self._database.read() as connection:
            blob = connection.execute(
                select(embeddings.c.vector)
                .join(items, embedded())
                .where(embeddings.c.encoder_id == self.encoder_id, embeddings.c.item_id == item_id)
            ).scalar_one_or_none()
            if blob is not None:
                return np.frombuffer(blob, dtype=VECTOR_DTYPE)
            task = connection.execute(
                select(embedding_tasks).where(
                    embedding_tasks.c.encoder_id == self.encoder_id, embedding_tasks.c.item_id == item_id
                )
            ).one_or_none()
        if task is not None and task.parked:
            raise NotReady(
                Reason.EMBEDDING_FAILED,
                f"item {item_id!r} cannot be embedded ({task.reason}: {task.message}); send another picture",
                field="item_id",
            )
        raise NotReady(
            Reason.EMBEDDING_PENDING, f"item {item_id!r} is not embedded yet; try again later", field="item_id"
        )

    def _due(self, connection: Connection, now: int) -> ColumnElement[bool] | None:
        """Return what is true of the tasks that may be taken now, or None if there are none."""
        waits = and_(self._mine, embedding_tasks.c.parked.is_(False))
        available_at = embedding_tasks.c.available_at_us
        # Nothing waits for longer than LONGEST_WAIT_S, so what seems to was written by a clock that was ahead, and
        # would wait until this one gets there. Asked apart: both answers come from the ends of an index.
        for due in (available_at <= now, available_at > now + round(LONGEST_WAIT_S * 1e6)):
            is_due = and_(waits, due)
            # The order is the index's.
            if connection.execute(select(literal(1)).where(is_due).order_by(available_at).limit(1)).first() is not None:
                return is_due
        return None

    def _give_back_beyond(self, connection: Connection, claimed: dict[str, Row[Any]], max_bytes: int) -> None:
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
                .where(self._mine, embedding_tasks.c.item_id.in_(beyond))
                .values(available_at_us=now_us())
            )

    def _parked_for(self, reason: str | None, item_ids: Sequence[str] | None) -> ColumnElement[bool]:
        chosen = [self._mine, embedding_tasks.c.parked.is_(True)]
        if reason is not None:
            chosen.append(embedding_tasks.c.reason == reason)
        if item_ids is not None:
            chosen.append(embedding_tasks.c.item_id.in_(item_ids))
        return and_(*chosen)

    @staticmethod
    def _leased_until(until_us: int | BindParameter[Any]) -> ColumnElement[bool]:
        return and_(embedding_tasks.c.parked.is_(False), embedding_tasks.c.available_at_us == until_us)

    @property
    def _mine(self) -> ColumnElement[bool]:
        return embedding_tasks.c.encoder_id == self.encoder_id

    @property
    def _task_of(self) -> ColumnElement[bool]:
        # A task whose picture was replaced meanwhile has another digest, and stays.
        return and_(
            self._mine,
            embedding_tasks.c.item_id == bindparam("of_item"),
            embedding_tasks.c.picture_sha256 == bindparam("of_picture"),
        )


def _key(task: EmbeddingTask | Lease | FinishedTask | FailedTask) -> dict[str, str]:
    return {"of_item": task.item_id, "of_picture": task.picture_sha256}
