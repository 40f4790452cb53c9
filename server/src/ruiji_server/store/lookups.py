"""Many items at once, by id: what they are, and what an encoder made of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from ruiji_server.domain.items import Item, ItemState, Price
from ruiji_server.store.embedded_items import VECTOR_DTYPE, embedded
from ruiji_server.store.engine import Database
from ruiji_server.store.schema import embeddings, items

_IDS_AT_ONCE: Final = 500
"""Below what every database takes as parameters of one statement."""


def listings(database: Database, item_ids: Sequence[str]) -> dict[str, Item]:
    """Return the items that are there, by id, without their pictures."""
    columns = (items.c.item_id, items.c.title, items.c.price_minor, items.c.currency, items.c.category_path)
    found: dict[str, Item] = {}
    with database.read() as connection:
        for part in _parts(item_ids):
            for row in connection.execute(select(*columns, items.c.state).where(items.c.item_id.in_(part))):
                found[row.item_id] = Item(
                    item_id=row.item_id,
                    title=row.title,
                    price=Price(row.price_minor, row.currency),
                    category_path=tuple(json.loads(row.category_path)),
                    state=ItemState(row.state),
                )
    return found


def vectors_of(database: Database, encoder_id: str, item_ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Return an encoder's embeddings of the present pictures of items, by id, as far as there are any.

    Args:
        database: the store.
        encoder_id: which encoder, registered or not, retired or not.
        item_ids: which items.

    Returns:
        Unit vectors, shape (dimensions,), float32.
    """
    found: dict[str, NDArray[np.float32]] = {}
    with database.read() as connection:
        for part in _parts(item_ids):
            statement = (
                select(embeddings.c.item_id, embeddings.c.vector)
                .join(items, embedded())
                .where(embeddings.c.encoder_id == encoder_id, embeddings.c.item_id.in_(part))
            )
            for row in connection.execute(statement):
                found[row.item_id] = np.frombuffer(row.vector, dtype=VECTOR_DTYPE)
    return found


def embedded_among(database: Database, encoder_id: str, item_ids: Sequence[str]) -> set[str]:
    """Return those of the items whose present picture an encoder has embedded."""
    found: set[str] = set()
    with database.read() as connection:
        for part in _parts(item_ids):
            statement = (
                select(embeddings.c.item_id)
                .join(items, embedded())
                .where(embeddings.c.encoder_id == encoder_id, embeddings.c.item_id.in_(part))
            )
            found.update(connection.scalars(statement))
    return found


def _parts(item_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (item_ids[start : start + _IDS_AT_ONCE] for start in range(0, len(item_ids), _IDS_AT_ONCE))
