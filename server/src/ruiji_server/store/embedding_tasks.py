"""Which pictures wait for which encoder, who works on them, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, and_, bindparam, delete, func, literal, select, update

from ruiji_server.domain.errors import NotReady, Reason
from ruiji_server.domain.items import Picture, PictureContent, PictureUri
from ruiji_server.store.clock import now_us
from ruiji_server.store.embedded_items import VECTOR_DTYPE, embedded
from ruiji_server.store.encoders import register_encoder
from ruiji_server.store.engine import Database
from ruiji_server.store.feed import append_changes
from ruiji_server.store.rows import upsert_rows
from ruiji_server.store.schema import embedding_tasks, embeddings, item_pictures, items


@dataclass(frozen=True, slots=True)
class EmbeddingTask:
    """A picture that one worker has taken, for the length of its lease."""

    item_id: str
    picture: Picture
    picture_sha256: str
    attempts: int
    """Failed tries before this one."""


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


@dataclass(frozen=True, slots=True)
class Backlog:
    """How far one encoder is behind the catalogue."""

    waiting: int
    parked: int


class EmbeddingTaskStore:
    """Tasks and embeddings of one encoder. Every write is durable when its method returns. Blocking.

    Attributes:
        encoder_id: the encoder.
    """

    def __init__(self, database: Database, encoder_id: str) -> None:
        self._database = database
        self.encoder_id = encoder_id

    def register_encoder(self, name: str, dimensions: int) -> None:
        """Make the encoder known and give it a task for every item; does nothing if that was done."""
        register_encoder(self._database, self.encoder_id, name, dimensions)

    def claim(self, limit: int, lease_s: float) -> list[EmbeddingTask]:
        """Take up to `limit` due tasks; nobody else gets them until the lease ends or they are finished.

        Pictures come along where the store has their bytes. The longest due are taken first.
        """
        now = now_us()
        is_due = and_(self._mine, embedding_tasks.c.parked.is_(False), embedding_tasks.c.available_at_us <= now)
        with self._database.read() as connection:
            # An idle worker asks often; it should not take the writers' lock each time. The order is the index's.
            first_due = select(literal(1)).where(is_due).order_by(embedding_tasks.c.available_at_us).limit(1)
            if connection.execute(first_due).first() is None:
                return []
        due = (
            select(embedding_tasks.c.item_id)
            .where(is_due)
            .order_by(embedding_tasks.c.available_at_us)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("due")
        )
        claim = (
            update(embedding_tasks)
            .where(self._mine, embedding_tasks.c.item_id.in_(select(due.c.item_id)))
            .values(available_at_us=now + round(lease_s * 1e6))
            .returning(embedding_tasks.c.item_id, embedding_tasks.c.picture_sha256, embedding_tasks.c.attempts)
        )
        with self._database.write() as connection:
            claimed = {row.item_id: row for row in connection.execute(claim)}
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
            )
            for row in pictures
            if row.picture_sha256 == claimed[row.item_id].picture_sha256
        ]

    def finish(self, finished: Sequence[FinishedTask]) -> None:
        """Store embeddings and remove their tasks, unless a newer picture has come meanwhile. Safe to repeat."""
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
                connection.execute(
                    update(embedding_tasks)
                    .where(self._task_of)
                    .values(
                        attempts=embedding_tasks.c.attempts + 1,
                        parked=task.retry_after_s is None,
                        available_at_us=now + round((task.retry_after_s or 0.0) * 1e6),
                        reason=str(task.reason),
                        message=task.message,
                    ),
                    _key(task),
                )

    def release(self, tasks: Sequence[EmbeddingTask]) -> None:
        """Give tasks back untried, for instance because Triton is away."""
        if not tasks:
            return
        in_order = sorted(tasks, key=lambda task: task.item_id)
        with self._database.write() as connection:
            connection.execute(
                update(embedding_tasks).where(self._task_of).values(available_at_us=now_us()),
                [_key(task) for task in in_order],
            )

    def unpark(self) -> int:
        """Give every parked task another chance; return how many there were."""
        parked = (
            select(embedding_tasks.c.item_id)
            .where(self._mine, embedding_tasks.c.parked.is_(True))
            .order_by(embedding_tasks.c.item_id)
            .with_for_update()
        )
        with self._database.write() as connection:
            return connection.execute(
                update(embedding_tasks)
                .where(self._mine, embedding_tasks.c.item_id.in_(parked))
                .values(parked=False, attempts=0, available_at_us=now_us())
            ).rowcount

    def backlog(self) -> Backlog:
        """Return how many tasks wait (leased ones included) and how many are parked."""
        with self._database.read() as connection:
            rows = connection.execute(
                select(embedding_tasks.c.parked, func.count()).where(self._mine).group_by(embedding_tasks.c.parked)
            ).all()
        counts = {bool(parked): int(count) for parked, count in rows}
        return Backlog(waiting=counts.get(False, 0), parked=counts.get(True, 0))

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


def _key(task: EmbeddingTask | FinishedTask | FailedTask) -> dict[str, str]:
    return {"of_item": task.item_id, "of_picture": task.picture_sha256}
