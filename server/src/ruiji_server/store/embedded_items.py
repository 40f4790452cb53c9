"""Items with the embedding of their present picture: what an index holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Column, ColumnElement, Connection, and_, bindparam, select

from ruiji_server.domain.items import ItemState
from ruiji_server.store.schema import embeddings, encoders, items
from ruiji_server.store.statements import FrequentStatement

VECTOR_DTYPE = np.dtype("<f4")


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


class UnknownEncoder(LookupError):  # noqa: N818  (reads as what it says)
    """The encoder was never registered with this store."""

    def __init__(self, encoder_id: str) -> None:
        super().__init__(
            f"encoder {encoder_id} is not registered with this store; `ruiji encoder list` shows those that are, and "
            "`ruiji encoder register` or a worker with it registers one"
        )


EMBEDDED_COLUMNS: Final[tuple[Column[Any], ...]] = (
    items.c.item_id, items.c.price_minor, items.c.currency, items.c.category_path, items.c.state, embeddings.c.vector,
)  # fmt: skip
"""What `embedded_item` reads."""


def embedded() -> ColumnElement[bool]:
    """Return the condition under which an embedding is that of the item's present picture."""
    return and_(items.c.item_id == embeddings.c.item_id, items.c.picture_sha256 == embeddings.c.picture_sha256)


def embedded_item(row: Sequence[Any]) -> EmbeddedItem:
    """Return the item in a row of `EMBEDDED_COLUMNS`."""
    item_id, price_minor, currency, category_path, state, vector = row
    return EmbeddedItem(
        item_id=item_id,
        price_minor=price_minor,
        currency=currency,
        category_path=tuple(json.loads(category_path)),
        state=ItemState(state),
        vector=np.frombuffer(vector, dtype=VECTOR_DTYPE),
    )


_DIMENSIONS = FrequentStatement(select(encoders.c.dimensions).where(encoders.c.encoder_id == bindparam("of_encoder")))


def dimensions_of(connection: Connection, encoder_id: str) -> int:
    """Return the length of an encoder's vectors.

    Raises:
        UnknownEncoder: no such encoder is registered.
    """
    found = _DIMENSIONS.rows(connection, {"of_encoder": encoder_id})
    if not found:
        raise UnknownEncoder(encoder_id)
    return int(found[0][0])
