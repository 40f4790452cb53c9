"""One moment of the store, read in order: what an index is built from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, and_, func, select

from ruiji_server.domain.items import ItemState
from ruiji_server.store.embedding_tasks import VECTOR_DTYPE
from ruiji_server.store.engine import Database
from ruiji_server.store.schema import embeddings, encoders, feed, items

_ROWS_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class EmbeddedItem:
    """What ranking and index need of an item."""

    item_id: str
    price_minor: int
    currency: str
    category_path: tuple[str, ...]
    state: ItemState
    vector: NDArray[np.float32]
    """Shape (dimensions,), unit length."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The items that one encoder has embedded, at one feed position."""

    feed_position: int
    dimensions: int
    count: int
    _connection: Connection
    _encoder_id: str

    def items(self) -> Iterator[EmbeddedItem]:
        """Yield the items in the order of their ids' UTF-8 bytes, holding a thousand at a time."""
        statement = (
            select(
                items.c.item_id, items.c.price_minor, items.c.currency, items.c.category_path, items.c.state,
                embeddings.c.vector,
            )
            .join(items, _embedded())
            .where(embeddings.c.encoder_id == self._encoder_id)
            .order_by(embeddings.c.item_id)
        )  # fmt: skip
        for row in self._connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(statement):
            yield EmbeddedItem(
                item_id=row.item_id,
                price_minor=row.price_minor,
                currency=row.currency,
                category_path=tuple(json.loads(row.category_path)),
                state=ItemState(row.state),
                vector=np.frombuffer(row.vector, dtype=VECTOR_DTYPE),
            )


class UnknownEncoder(LookupError):  # noqa: N818  (reads as what it says)
    """The encoder was never registered with this store."""


@contextmanager
def open_snapshot(database: Database, encoder_id: str) -> Iterator[Snapshot]:
    """Yield the store as it is now; writers go on meanwhile.

    Raises:
        UnknownEncoder: no such encoder is registered.
    """
    with database.read() as connection:
        dimensions = connection.execute(
            select(encoders.c.dimensions).where(encoders.c.encoder_id == encoder_id)
        ).scalar_one_or_none()
        if dimensions is None:
            raise UnknownEncoder(f"encoder {encoder_id} is not registered; run `ruiji worker` with it first")
        position = connection.execute(select(func.coalesce(func.max(feed.c.position), 0))).scalar_one()
        count = connection.execute(
            select(func.count())
            .select_from(embeddings)
            .join(items, _embedded())
            .where(embeddings.c.encoder_id == encoder_id)
        ).scalar_one()
        yield Snapshot(position, dimensions, count, connection, encoder_id)


def _embedded() -> ColumnElement[bool]:
    return and_(items.c.item_id == embeddings.c.item_id, items.c.picture_sha256 == embeddings.c.picture_sha256)
