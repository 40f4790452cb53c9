"""The encoders that a store knows: their states, who embeds the catalogue, and the tasks that a new one is given.

    registered -> active -> promoted      `rollout` moves them
                    |  <------  |
                    v
                 retired

The first encoder of a store is promoted as it is registered. Every later one is active: it embeds the catalogue beside
the promoted one, and answers the share of requests that it is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, Row, and_, case, exists, func, literal, select, update

from ruiji_server.store.clock import now_us
from ruiji_server.store.embedded_items import UnknownEncoder
from ruiji_server.store.encoder_history import Change, note_change
from ruiji_server.store.engine import Database, StoreError
from ruiji_server.store.locks import own_items
from ruiji_server.store.rows import insert_missing, insert_missing_from
from ruiji_server.store.schema import embedding_tasks, embeddings, encoders, items

_TASKS_AT_ONCE: Final = 2_000
"""Items that are locked together while they are given tasks; writers of these items wait meanwhile."""


class EncoderState(StrEnum):
    """Where an encoder stands."""

    ACTIVE = "active"
    """It embeds the catalogue, and answers its share of requests and those that name it."""
    PROMOTED = "promoted"
    """It embeds the catalogue and answers what no other answers. One encoder of a store is promoted."""
    RETIRED = "retired"
    """It embeds nothing and answers nothing."""


class EncoderStateError(StoreError):
    """An encoder is not in the state for what was asked; the message says what to do."""


@dataclass(frozen=True, slots=True)
class RegisteredEncoder:
    """An encoder that the store knows."""

    encoder_id: str
    name: str
    dimensions: int
    registered_at_us: int
    """Microseconds since 1970 UTC."""
    state: EncoderState
    request_share: float
    """The share of requests that an active encoder answers if they name none, 0 to 1; 0 in other states."""
    rate_per_s: float | None
    """Most pictures that all workers together embed with it in a second; None for no bound."""
    promoted_over: str | None
    """The encoder that a rollback promotes again."""


_COLUMNS: Final[tuple[Column[Any], ...]] = (
    encoders.c.encoder_id, encoders.c.name, encoders.c.dimensions, encoders.c.registered_at_us, encoders.c.state,
    encoders.c.request_share, encoders.c.rate_per_s, encoders.c.promoted_over,
)  # fmt: skip


def registered_encoders(database: Database) -> list[RegisteredEncoder]:
    """Return the encoders that were registered, retired ones included, oldest first."""
    statement = select(*_COLUMNS).order_by(encoders.c.registered_at_us, encoders.c.encoder_id)
    with database.read() as connection:
        return [_encoder(row) for row in connection.execute(statement)]


def active_encoders(database: Database) -> list[RegisteredEncoder]:
    """Return the encoders that embed the catalogue: the promoted one, whose listings come first, then the oldest."""
    later = case((encoders.c.state == EncoderState.PROMOTED, 0), else_=1)
    statement = select(*_COLUMNS).where(is_active()).order_by(later, encoders.c.registered_at_us, encoders.c.encoder_id)
    with database.read() as connection:
        return [_encoder(row) for row in connection.execute(statement)]


def retired_encoder_ids(database: Database) -> frozenset[str]:
    """Return the encoders that are retired now."""
    statement = select(encoders.c.encoder_id).where(~is_active())
    with database.read() as connection:
        return frozenset(connection.scalars(statement))


def encoder_in(connection: Connection, encoder_id: str, *, lock: bool = False) -> RegisteredEncoder:
    """Return an encoder as the transaction sees it.

    Args:
        connection: in a transaction.
        encoder_id: which.
        lock: let nobody else change its row until the transaction ends.

    Raises:
        UnknownEncoder: it was never registered.
    """
    statement = select(*_COLUMNS).where(encoders.c.encoder_id == encoder_id)
    row = connection.execute(statement.with_for_update() if lock else statement).one_or_none()
    if row is None:
        raise UnknownEncoder(encoder_id)
    return _encoder(row)


def lock_encoders(connection: Connection) -> dict[str, RegisteredEncoder]:
    """Return every encoder by its id, and let nobody else change them until the transaction ends."""
    statement = select(*_COLUMNS).order_by(encoders.c.encoder_id).with_for_update()
    return {row.encoder_id: _encoder(row) for row in connection.execute(statement)}


def register_encoder(database: Database, encoder_id: str, name: str, dimensions: int, *, revive: bool = False) -> None:
    """Make an encoder known and give it a task for every item; does nothing if that was done.

    Items are given tasks bit by bit, while others write. If the process dies meanwhile, the next call goes on.

    Args:
        database: the store.
        encoder_id: which.
        name: for people.
        dimensions: the length of its vectors.
        revive: make a retired encoder active again. What is left of its embeddings counts.

    Raises:
        EncoderStateError: it is retired, or is known with another number of dimensions.
    """
    row = {"encoder_id": encoder_id, "name": name, "dimensions": dimensions, "registered_at_us": now_us()}
    row |= {"tasks_given_to": ""}
    with database.read() as connection:
        known = _known(connection, encoder_id, dimensions)
    if known is None:
        with database.write() as connection:
            # Who writes items has committed by now, and the items are found below; or waits, and will know the encoder.
            own_items(connection)
            first = connection.execute(select(literal(1)).where(is_active()).limit(1)).first() is None
            state = EncoderState.PROMOTED if first else EncoderState.ACTIVE
            if insert_missing(connection, encoders, [row | {"state": str(state)}]):
                note_change(connection, encoder_id, Change.REGISTERED, f"{name}, {dimensions} dimensions, {state}")
    elif known.state == EncoderState.RETIRED:
        if not revive:
            raise EncoderStateError(
                f"encoder {encoder_id} is retired; `ruiji encoder register --revive` makes it active again"
            )
        _revive(database, encoder_id)
    while _give_tasks(database, encoder_id):
        pass


def encoder_ids(connection: Connection) -> list[str]:
    """Return the ids of all encoders in their order, retired ones included: whose embeddings an item can have."""
    return list(connection.scalars(select(encoders.c.encoder_id).order_by(encoders.c.encoder_id)))


def active_encoder_ids(connection: Connection) -> list[str]:
    """Return the ids of the encoders that embed the catalogue, in their order.

    A transaction that has locked an item, or looked for one to lock, can rely on them until it ends: who registers or
    retires an encoder waits for it, see `locks.own_items`.
    """
    statement = select(encoders.c.encoder_id).where(is_active()).order_by(encoders.c.encoder_id)
    return list(connection.scalars(statement))


def is_active() -> ColumnElement[bool]:
    """Return the condition under which an encoder embeds the catalogue."""
    return encoders.c.state != str(EncoderState.RETIRED)


def _known(connection: Connection, encoder_id: str, dimensions: int) -> RegisteredEncoder | None:
    try:
        known = encoder_in(connection, encoder_id)
    except UnknownEncoder:
        return None
    if known.dimensions != dimensions:
        raise EncoderStateError(
            f"encoder {encoder_id} is registered with {known.dimensions} dimensions and now has {dimensions}; vectors "
            "of two kinds cannot be compared, and an encoder that was changed needs another id"
        )
    return known


def _revive(database: Database, encoder_id: str) -> None:
    with database.write() as connection:
        own_items(connection)
        if encoder_in(connection, encoder_id, lock=True).state != EncoderState.RETIRED:
            return
        left = select(literal(1)).where(embedding_tasks.c.encoder_id == encoder_id).limit(1)
        if connection.execute(left).first() is not None:
            # They may be of pictures that were replaced since.
            raise EncoderStateError(
                f"encoder {encoder_id} has tasks of old; `ruiji encoder retire {encoder_id}` clears them away first"
            )
        connection.execute(
            update(encoders)
            .where(encoders.c.encoder_id == encoder_id)
            .values(state=str(EncoderState.ACTIVE), tasks_given_to="")
        )
        note_change(connection, encoder_id, Change.REVIVED)


def _give_tasks(database: Database, encoder_id: str) -> bool:
    """Give tasks for the next items; return whether there may be more."""
    this = encoders.c.encoder_id == encoder_id
    with database.write() as connection:
        given_to = connection.execute(select(encoders.c.tasks_given_to).where(this, is_active())).scalar_one_or_none()
        if given_to is None:
            return False
        after = items.c.item_id > given_to
        page = select(items.c.item_id).where(after).order_by(items.c.item_id).limit(_TASKS_AT_ONCE).subquery()
        last = connection.execute(select(func.max(page.c.item_id))).scalar_one()
        if last is not None:
            _give_tasks_between(connection, encoder_id, given_to, last)
        # Last, for items are locked before encoders. Another worker may have given these tasks meanwhile, or the
        # encoder was retired.
        moved = update(encoders).where(this, is_active(), encoders.c.tasks_given_to == given_to)
        if connection.execute(moved.values(tasks_given_to=last)).rowcount == 0:
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
    # A revived encoder may have embedded the picture already.
    done = exists().where(
        and_(
            embeddings.c.encoder_id == encoder_id,
            embeddings.c.item_id == locked.c.item_id,
            embeddings.c.picture_sha256 == locked.c.picture_sha256,
        )
    )
    tasks = select(
        literal(encoder_id).label("encoder_id"),
        locked.c.item_id,
        locked.c.picture_sha256,
        literal(value=False).label("parked"),
        literal(now_us()).label("available_at_us"),
        literal(0).label("attempts"),
    ).where(~done)
    # A writer who knows the encoder may have given the task already.
    insert_missing_from(connection, embedding_tasks, tasks)


def _encoder(row: Row[Any]) -> RegisteredEncoder:
    return RegisteredEncoder(
        encoder_id=row.encoder_id,
        name=row.name,
        dimensions=row.dimensions,
        registered_at_us=row.registered_at_us,
        state=EncoderState(row.state),
        request_share=row.request_share,
        rate_per_s=row.rate_per_s,
        promoted_over=row.promoted_over,
    )
