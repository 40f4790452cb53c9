"""What becomes of a picture: its embedding is stored and its task removed, and the embedding is read again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, select

from ruiji_server.domain.errors import NotReady, Reason
from ruiji_server.store.embedded_items import VECTOR_DTYPE, embedded
from ruiji_server.store.encoders import EncoderState, EncoderStateError, encoder_in
from ruiji_server.store.engine import Database
from ruiji_server.store.feed import append_changes
from ruiji_server.store.rows import upsert_rows
from ruiji_server.store.schema import embedding_tasks, embeddings, items
from ruiji_server.store.task_rows import named_task, of_encoder, task_name


@dataclass(frozen=True, slots=True)
class FinishedTask:
    """A picture and its embedding."""

    item_id: str
    picture_sha256: str
    vector: NDArray[np.float32]
    """Shape (dimensions,), unit length."""


def finish(database: Database, encoder_id: str, finished: Sequence[FinishedTask]) -> None:
    """Store embeddings and remove their tasks, as `EmbeddingTaskStore.finish` says."""
    if not finished:
        return
    with database.write() as connection:
        rows = connection.execute(
            select(items.c.item_id, items.c.picture_sha256)
            .where(items.c.item_id.in_([task.item_id for task in finished]))
            .order_by(items.c.item_id)
            .with_for_update(read=True)
        )
        current = {row.item_id: row.picture_sha256 for row in rows}
        # After the items are locked: from here on nobody retires the encoder.
        encoder = encoder_in(connection, encoder_id)
        if encoder.state == EncoderState.RETIRED:
            return
        for task in finished:
            if task.vector.shape != (encoder.dimensions,):
                raise EncoderStateError(
                    f"a vector of shape {task.vector.shape} is none of encoder {encoder_id}, which has "
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
                    "encoder_id": encoder_id,
                    "item_id": task.item_id,
                    "picture_sha256": task.picture_sha256,
                    "vector": task.vector.astype(VECTOR_DTYPE).tobytes(),
                }
                for task in in_order
            ],
        )
        connection.execute(
            delete(embedding_tasks).where(named_task(encoder_id)),
            [task_name(task.item_id, task.picture_sha256) for task in in_order],
        )
        append_changes(connection, [task.item_id for task in in_order], encoder_id)


def vector_of(database: Database, encoder_id: str, item_id: str) -> NDArray[np.float32]:
    """Return the embedding of an item's present picture, as `EmbeddingTaskStore.vector` says."""
    with database.read() as connection:
        blob = connection.execute(
            select(embeddings.c.vector)
            .join(items, embedded())
            .where(embeddings.c.encoder_id == encoder_id, embeddings.c.item_id == item_id)
        ).scalar_one_or_none()
        if blob is not None:
            return np.frombuffer(blob, dtype=VECTOR_DTYPE)
        task = connection.execute(
            select(embedding_tasks).where(of_encoder(encoder_id), embedding_tasks.c.item_id == item_id)
        ).one_or_none()
    if task is not None and task.parked:
        raise NotReady(
            Reason.EMBEDDING_FAILED,
            f"item {item_id!r} cannot be embedded ({task.reason}: {task.message}); send another picture",
            field="item_id",
        )
    raise NotReady(Reason.EMBEDDING_PENDING, f"item {item_id!r} is not embedded yet; try again later", field="item_id")
