"""The change feed: which items changed, numbered in the order in which the changes became visible.

Whoever has read the feed up to a position has missed nothing at or below it: writers number their changes last, under
a lock that they hold until they have committed, so no lower number can appear later. A number that was never committed
leaves a gap, and nobody waits for it. `docs/adr/0003-change-feed.md` weighs this against other ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, bindparam, func, insert, select

from ruiji_server.store.clock import now_us
from ruiji_server.store.embedded_items import (
    EMBEDDED_COLUMNS,
    EmbeddedItem,
    dimensions_of,
    embedded,
    embedded_item,
)
from ruiji_server.store.engine import Database, StoreError
from ruiji_server.store.locks import lock_feed
from ruiji_server.store.schema import embeddings, feed, feed_trims, items
from ruiji_server.store.statements import FrequentStatement, Lookup

_APPEND = FrequentStatement(insert(feed).returning(feed.c.item_id, feed.c.position))
_LAST_POSITION = FrequentStatement(select(func.coalesce(func.max(feed.c.position), 0)))
_CHANGES = FrequentStatement(
    select(feed.c.position, feed.c.item_id, feed.c.encoder_id)
    .where(feed.c.position > bindparam("position"))
    .order_by(feed.c.position)
    .limit(bindparam("most"))
)
_ITEMS = Lookup(
    select(items.c.item_id.label("present_id"), *EMBEDDED_COLUMNS).outerjoin(
        embeddings, and_(embedded(), embeddings.c.encoder_id == bindparam("of_encoder"))
    ),
    items.c.item_id,
)


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One change."""

    position: int
    item_id: str
    encoder_id: str | None
    """The encoder whose embedding is new; None where the item itself changed or was deleted."""


@dataclass(frozen=True, slots=True)
class ChangedItem:
    """How an item that changed stands now."""

    item_id: str
    position: int
    """Of its newest change that was read."""
    present: bool
    """False if the item was deleted."""
    item: EmbeddedItem | None
    """None if it was deleted or its present picture is not embedded yet."""


class FeedPositionError(StoreError):
    """A position that this store has not reached: it belongs to another store, or to a later state of this one."""


class FeedTrimmed(StoreError):  # noqa: N818  (reads as what it says)
    """Changes after a position were taken away: whoever stands there has to begin anew, with a newer generation."""


class FeedReader:
    """Reads the feed. Blocking; safe in several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def last_position(self) -> int:
        """Return the position of the newest change, or 0 if there was none."""
        with self._database.read() as connection:
            return last_position(connection)

    def oldest_change_us(self, position: int) -> int | None:
        """Return when the first change after a position was made, or None if there is none or that is not known."""
        statement = select(feed.c.appended_at_us).where(feed.c.position > position).order_by(feed.c.position).limit(1)
        with self._database.read() as connection:
            return connection.execute(statement).scalar_one_or_none()

    def changes_since(self, position: int, limit: int) -> tuple[list[FeedEntry], int]:
        """Return what changed after a position, oldest first.

        Args:
            position: where the reader stands; 0 is the beginning.
            limit: how many changes to return at most.

        Returns:
            The changes, and the position to go on from.

        Raises:
            FeedPositionError: the feed ends before the position.
            FeedTrimmed: changes after the position are not there any more.
        """
        with self._database.read() as connection:
            return _read_changes(connection, position, limit)

    def changed_items(self, encoder_id: str, position: int, limit: int) -> tuple[list[ChangedItem], int]:
        """Return how the items that changed after a position stand now, for an index of one encoder.

        An item may stand as a later change has left it; that change comes again when the reader gets there.

        Args:
            encoder_id: whose embeddings to read. Embeddings of other encoders count as no change.
            position: where the reader stands; 0 is the beginning.
            limit: how many changes to read at most; several of one item become one.

        Returns:
            Each changed item once, and the position to go on from.

        Raises:
            FeedPositionError: the feed ends before the position.
            FeedTrimmed: changes after the position are not there any more.
            UnknownEncoder: no such encoder is registered.
        """
        with self._database.read() as connection:
            dimensions_of(connection, encoder_id)
            entries, next_position = _read_changes(connection, position, limit)
            newest = {entry.item_id: entry.position for entry in entries if entry.encoder_id in {None, encoder_id}}
            found = _ITEMS.rows(connection, list(newest), of_encoder=encoder_id)
        rows = {row[0]: row[1:] for row in found}
        changed: list[ChangedItem] = []
        for item_id, at in newest.items():
            row = rows.get(item_id)
            # Without an embedding every column of it is NULL.
            item = None if row is None or row[-1] is None else embedded_item(row)
            changed.append(ChangedItem(item_id, at, present=row is not None, item=item))
        return changed, next_position


def append_changes(connection: Connection, item_ids: Sequence[str], encoder_id: str | None = None) -> dict[str, int]:
    """Number changes; the last thing that a transaction does but for writing the numbers down.

    Args:
        connection: in a transaction that writes. From here to its end no other transaction can number changes.
        item_ids: the changed items, each once.
        encoder_id: the encoder whose embedding is new; None where the items themselves changed.

    Returns:
        The position of each item's change.
    """
    if not item_ids:
        return {}
    lock_feed(connection)
    now = now_us()
    changes = [{"item_id": item_id, "encoder_id": encoder_id, "appended_at_us": now} for item_id in item_ids]
    return {row[0]: row[1] for row in _APPEND.each(connection, changes)}


def last_position(connection: Connection) -> int:
    """Return the position of the newest change that the transaction sees, or 0 if there was none."""
    ((position,),) = _LAST_POSITION.rows(connection, {})
    return int(position)


def trimmed_to(connection: Connection) -> int:
    """Return the highest position whose entry was taken away, or 0: the lowest position that can be read from."""
    return int(connection.execute(select(func.coalesce(func.max(feed_trims.c.trimmed_to), 0))).scalar_one())


def _read_changes(connection: Connection, position: int, limit: int) -> tuple[list[FeedEntry], int]:
    entries = [FeedEntry(*row) for row in _CHANGES.rows(connection, {"position": position, "most": limit})]
    if entries and entries[0].position == position + 1:
        return entries, entries[-1].position
    if position < (trimmed := trimmed_to(connection)):
        raise FeedTrimmed(
            f"the change feed was trimmed up to position {trimmed}, so what changed after {position} is not known any "
            "more; load a newer generation, or build one with `ruiji index build`"
        )
    if entries:
        return entries, entries[-1].position
    if position > (end := last_position(connection)):
        raise FeedPositionError(
            f"the change feed ends at {end}, before position {position}: the store is another one, or was restored "
            "from a backup. Build the index again with `ruiji index build`"
        )
    return [], position
