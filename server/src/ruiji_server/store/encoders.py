"""Which encoders embed the catalogue, and the tasks that a new one is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, literal, select, update

from ruiji_server.store.clock import now_us
from ruiji_server.store.engine import Database
from ruiji_server.store.locks import own_items
from ruiji_server.store.rows import insert_missing, insert_missing_from
from ruiji_server.store.schema import embedding_tasks, encoders, items

_TASKS_AT_ONCE: Final = 2_000
"""Items that are locked together while they are given tasks; writers of these items wait meanwhile."""


@dataclass(frozen=True, slots=True)
class RegisteredEncoder:
    """An encoder that the store keeps embeddings of."""

    encoder_id: str
    name: str
    dimensions: int


def registered_encoders(database: Database) -> list[RegisteredEncoder]:
    """Return the encoders that were registered, oldest first."""
    statement = select(encoders.c.encoder_id, encoders.c.name, encoders.c.dimensions).order_by(
        encoders.c.registered_at_us, encoders.c.encoder_id
    )
    with database.read() as connection:
        return [RegisteredEncoder(*row) for row in connection.execute(statement)]


def register_encoder(database: Database, encoder_id: str, name: str, dimensions: int) -> None:
    """Make an encoder known and give it a task for every item; does nothing if that was done.

    Items are given tasks bit by bit, while others write. If the process dies meanwhile, the next call goes on.
    """
    row = {
        "encoder_id": encoder_id,
        "name": name,
        "dimensions": dimensions,
        "registered_at_us": now_us(),
        "tasks_given_to": "",
    }
    with database.read() as connection:
        known = encoder_id in encoder_ids(connection)
    if not known:
        with database.write() as connection:
            # Who writes items has committed by now, and the items are found below; or waits, and will know the encoder.
            own_items(connection)
            insert_missing(connection, encoders, row)
    while _give_tasks(database, encoder_id):
        pass


def encoder_ids(connection: Connection) -> list[str]:
    """Return the ids of all encoders in their order.

    A transaction that has locked an item, or looked for one to lock, can rely on them until it ends: see
    `register_encoder`.
    """
    return list(connection.scalars(select(encoders.c.encoder_id).order_by(encoders.c.encoder_id)))


def _give_tasks(database: Database, encoder_id: str) -> bool:
    """Give tasks for the next items; return whether there may be more."""
    this = encoders.c.encoder_id == encoder_id
    with database.write() as connection:
        given_to = connection.execute(select(encoders.c.tasks_given_to).where(this)).scalar_one()
        if given_to is None:
            return False
        after = items.c.item_id > given_to
        page = select(items.c.item_id).where(after).order_by(items.c.item_id).limit(_TASKS_AT_ONCE).subquery()
        last = connection.execute(select(func.max(page.c.item_id))).scalar_one()
        if last is not None:
            _give_tasks_between(connection, encoder_id, given_to, last)
        # Last, for items are locked before encoders. Another worker may have given these tasks meanwhile.
        moved = update(encoders).where(this, encoders.c.tasks_given_to == given_to).values(tasks_given_to=last)
        if connection.execute(moved).rowcount == 0:
            connection.rollback()
        return True


def _give_tasks_between(connection: Connection, encoder_id: str, after: str, last: str) -> None:
    # Locked, or a deletion or a new picture could come between reading an item and writing its task.
    locked = (
        select(items.c.item_id, items.c.picture_sha256)
        .where(items.c.item_id > after, items.c.item_id <= last)
        .order_by(items.c.item_id)
        .with_for_update(read=True)
        .subquery()
    )
    tasks = select(
        literal(encoder_id).label("encoder_id"),
        locked.c.item_id,
        locked.c.picture_sha256,
        literal(value=False).label("parked"),
        literal(now_us()).label("available_at_us"),
        literal(0).label("attempts"),
    )
    # A writer who knows the encoder may have given the task already.
    insert_missing_from(connection, embedding_tasks, tasks)
