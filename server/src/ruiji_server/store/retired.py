"""Clearing away what a retired encoder left in the store, in small transactions that hold nobody up."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlalchemy import Table, delete, func, select

from ruiji_server.store.encoder_history import Change, note_change
from ruiji_server.store.encoders import EncoderState, EncoderStateError, encoder_in
from ruiji_server.store.engine import Database
from ruiji_server.store.schema import embedding_tasks, embeddings

_ROWS_AT_ONCE = 2_000


def delete_tasks(database: Database, encoder_id: str, progress: Callable[[int], None] = lambda _: None) -> int:
    """Delete the tasks of a retired encoder; return how many there were.

    Args:
        database: the store.
        encoder_id: which.
        progress: told how many were deleted since its last call.

    Raises:
        UnknownEncoder: it was never registered.
        EncoderStateError: it is not retired.
    """
    return _delete(database, embedding_tasks, encoder_id, Change.TASKS_DELETED, progress)


def delete_embeddings(database: Database, encoder_id: str, progress: Callable[[int], None] = lambda _: None) -> int:
    """Delete the embeddings of a retired encoder, as `delete_tasks` does. There is no way back but embedding again."""
    return _delete(database, embeddings, encoder_id, Change.EMBEDDINGS_DELETED, progress)


def count_left(database: Database, encoder_id: str) -> tuple[int, int]:
    """Return how many tasks and how many embeddings an encoder has in the store."""
    with database.read() as connection:
        tasks, vectors = (
            connection.execute(select(func.count()).select_from(table).where(table.c.encoder_id == encoder_id))
            for table in (embedding_tasks, embeddings)
        )
        return tasks.scalar_one(), vectors.scalar_one()


def _delete(database: Database, table: Table, encoder_id: str, change: Change, progress: Callable[[int], None]) -> int:
    deleted = 0
    for count in _delete_bit_by_bit(database, table, encoder_id):
        deleted += count
        progress(count)
    if deleted:
        with database.write() as connection:
            note_change(connection, encoder_id, change, str(deleted))
    return deleted


def _delete_bit_by_bit(database: Database, table: Table, encoder_id: str) -> Iterator[int]:
    of_encoder = table.c.encoder_id == encoder_id
    some = (
        select(table.c.item_id)
        .where(of_encoder)
        .order_by(table.c.item_id)
        .limit(_ROWS_AT_ONCE)
        # Who deletes an item deletes these rows too, in any order; whoever comes second would wait for the first.
        .with_for_update(skip_locked=True)
        .cte("some")
    )
    while True:
        with database.write() as connection:
            # Each time: it may have been revived between two steps.
            state = encoder_in(connection, encoder_id, lock=True).state
            if state != EncoderState.RETIRED:
                raise EncoderStateError(
                    f"encoder {encoder_id} is {state}; only what a retired one left is deleted: `ruiji encoder retire`"
                )
            deleting = delete(table).where(of_encoder, table.c.item_id.in_(select(some.c.item_id)))
            # SQLite's driver counts no rows of a statement that begins with WITH.
            count = len(connection.execute(deleting.returning(table.c.item_id)).all())
        if count == 0:
            return
        yield count
