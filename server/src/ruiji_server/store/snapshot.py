"""One moment of the store, read in order: what an index is built from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import Connection, func, select

from ruiji_server.store.embedded_items import (
    EMBEDDED_COLUMNS,
    EmbeddedItem,
    UnknownEncoder,
    embedded,
    embedded_item,
)
from ruiji_server.store.encoders import EncoderState, EncoderStateError, encoder_in
from ruiji_server.store.engine import Database
from ruiji_server.store.feed import last_position
from ruiji_server.store.schema import embeddings, items

__all__ = ["EmbeddedItem", "Snapshot", "UnknownEncoder", "open_snapshot"]

_ROWS_AT_ONCE = 1_000


@dataclass(frozen=True)
class Snapshot:
    """The items that one encoder has embedded, at one feed position."""

    feed_position: int
    """Every change at or below it is in the snapshot, and none above it."""
    dimensions: int
    _connection: Connection
    _encoder_id: str

    @cached_property
    def count(self) -> int:
        """How many items there are. Counted when first asked for, which takes a while where they are many."""
        return self._connection.execute(
            select(func.count())
            .select_from(embeddings)
            .join(items, embedded())
            .where(embeddings.c.encoder_id == self._encoder_id)
        ).scalar_one()

    def items(self) -> Iterator[EmbeddedItem]:
        """Yield the items in the order of their ids' UTF-8 bytes, holding a thousand at a time."""
        statement = (
            select(*EMBEDDED_COLUMNS)
            .join(items, embedded())
            .where(embeddings.c.encoder_id == self._encoder_id)
            .order_by(embeddings.c.item_id)
        )
        for row in self._connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(statement):
            yield embedded_item(row)


@contextmanager
def open_snapshot(database: Database, encoder_id: str) -> Iterator[Snapshot]:
    """Yield the store as it is now; writers go on meanwhile.

    Raises:
        UnknownEncoder: no such encoder is registered.
        EncoderStateError: it is retired; its embeddings are incomplete.
    """
    with database.read() as connection:
        encoder = encoder_in(connection, encoder_id)
        if encoder.state == EncoderState.RETIRED:
            raise EncoderStateError(f"encoder {encoder_id} is retired; no index is built of what it left")
        yield Snapshot(last_position(connection), encoder.dimensions, connection, encoder_id)
