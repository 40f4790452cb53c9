"""Items in the store: applying batches exactly once, deleting, reading one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from sqlalchemy import Connection, delete, func, select

from ruiji_server.domain.errors import InvalidArgument
from ruiji_server.domain.items import Item, ItemState, Picture, PictureContent, PictureUri, Price
from ruiji_server.store.answers import Rejection, UpsertAnswer, UpsertKind, UpsertOutcome
from ruiji_server.store.batches import apply_batch
from ruiji_server.store.clock import now_us
from ruiji_server.store.encoders import encoder_ids, is_active
from ruiji_server.store.engine import Database
from ruiji_server.store.feed import append_changes, last_position
from ruiji_server.store.locks import own_items
from ruiji_server.store.requests import RequestName, begin_requests, end_requests, forget_requests
from ruiji_server.store.rows import WrittenMeanwhile
from ruiji_server.store.schema import embedding_tasks, embeddings, encoders, item_pictures, items

__all__ = [
    "CatalogueStore",
    "EmbeddingStatus",
    "Rejection",
    "RequestName",
    "StoredItem",
    "UpsertAnswer",
    "UpsertKind",
    "UpsertOutcome",
    "UpsertRequest",
]

_ROUNDS: Final = 3
"""Times that an upsert may meet another writer who is just making one of its items, before it asks to be alone."""
_FORGET_EACH: Final = 20
"""Requests after which old ones are forgotten."""
_FORGOTTEN_FOR_EACH: Final = 5
"""Old requests that are forgotten at most for each new one."""


@dataclass(frozen=True, slots=True)
class EmbeddingStatus:
    """Whether one encoder has embedded an item's present picture."""

    encoder_id: str
    embedded: bool
    parked: bool
    """Given up until the picture changes or someone asks for another try."""
    attempts: int
    reason: str | None
    message: str | None


@dataclass(frozen=True, slots=True)
class StoredItem:
    """An item as it stands in the store."""

    item: Item
    """Its picture is None where the bytes are inline and were not asked for."""
    picture_sha256: str
    feed_position: int
    updated_at_us: int
    embeddings: tuple[EmbeddingStatus, ...]


@dataclass(frozen=True, slots=True)
class UpsertRequest:
    """A batch to apply once."""

    name: RequestName
    batch: tuple[Item | Rejection, ...]
    """Checked items, and what was rejected at the door; no item id stands twice among the items."""


class CatalogueStore:
    """Reads and writes items. Every write is durable when its method returns. Blocking; safe in several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._since_forgotten = 0

    def upsert(self, request_id: str, content_sha256: str, batch: Sequence[Item | Rejection]) -> UpsertAnswer:
        """Apply a batch once, however often it is sent, and whoever else writes the same items.

        Args:
            request_id: the caller's name for the batch.
            content_sha256: over the whole request, to notice a request id that is used twice.
            batch: checked items, and what was rejected at the door; no item id stands twice among the items.

        Raises:
            InvalidArgument: the request id belongs to another batch.
            Unavailable, Overloaded: the store cannot take it now; nothing was written, or the request's answer did not
                arrive. Sending the same request again is safe.
        """
        (answer,) = self.upsert_together([UpsertRequest(RequestName(request_id, content_sha256), tuple(batch))])
        if isinstance(answer, InvalidArgument):
            raise answer
        return answer

    def upsert_together(self, requests: Sequence[UpsertRequest]) -> list[UpsertAnswer | InvalidArgument]:
        """Apply several requests in one transaction, as `upsert` applies one: much cheaper than one after the other.

        Args:
            requests: no request id stands twice, and no item id.

        Returns:
            For each request its answer, or why it cannot be applied, which leaves the others alone. The feed position
            is the same for all that were applied now.

        Raises:
            Unavailable, Overloaded: see `upsert`; it is so for all of them.
        """
        for _ in range(_ROUNDS):
            try:
                return self._upsert(requests)
            except WrittenMeanwhile:
                # Everything was rolled back; this time the other writer's items are there to be updated.
                continue
        return self._upsert(requests, alone=True)

    def delete(self, item_ids: Sequence[str]) -> tuple[list[bool], int]:
        """Delete items with their pictures, embeddings and tasks.

        Returns:
            For each id whether it was there, and the feed position after the deletion.
        """
        with self._database.write() as connection:
            present = list(
                connection.scalars(
                    select(items.c.item_id)
                    .where(items.c.item_id.in_(item_ids))
                    .order_by(items.c.item_id)
                    .with_for_update()
                )
            )
            if present:
                _delete_rows(connection, present)
                append_changes(connection, present)
            gone = set(present)
            return [item_id in gone for item_id in item_ids], last_position(connection)

    def get(self, item_id: str, *, include_picture: bool = False) -> StoredItem | None:
        """Return an item, or None if there is no such item."""
        with self._database.read() as connection:
            row = connection.execute(select(items).where(items.c.item_id == item_id)).one_or_none()
            if row is None:
                return None
            picture: Picture | None = None
            if row.picture_uri is not None:
                picture = PictureUri(row.picture_uri)
            elif include_picture:
                picture = PictureContent(
                    connection.execute(
                        select(item_pictures.c.content).where(item_pictures.c.item_id == item_id)
                    ).scalar_one()
                )
            return StoredItem(
                item=Item(
                    item_id=row.item_id,
                    title=row.title,
                    price=Price(row.price_minor, row.currency),
                    category_path=tuple(json.loads(row.category_path)),
                    state=ItemState(row.state),
                    picture=picture,
                ),
                picture_sha256=row.picture_sha256,
                feed_position=row.feed_position,
                updated_at_us=row.updated_at_us,
                embeddings=_embedding_statuses(connection, item_id, row.picture_sha256),
            )

    def count(self) -> int:
        """Return the number of items, sold ones included."""
        with self._database.read() as connection:
            return connection.execute(select(func.count()).select_from(items)).scalar_one()

    def _upsert(
        self, requests: Sequence[UpsertRequest], *, alone: bool = False
    ) -> list[UpsertAnswer | InvalidArgument]:
        now = now_us()
        with self._database.write() as connection:
            answers = begin_requests(connection, [request.name for request in requests], now_us=now)
            new = [request for request in requests if request.name.request_id not in answers]
            if new:
                if alone:
                    own_items(connection)
                together = apply_batch(connection, [entry for request in new for entry in request.batch], now_us=now)
                outcomes = iter(together.outcomes)
                given = {
                    request.name.request_id: UpsertAnswer(
                        tuple(islice(outcomes, len(request.batch))), together.feed_position
                    )
                    for request in new
                }
                end_requests(connection, given)
                self._perhaps_forget(connection, len(new), now)
                answers.update(given)
        return [answers[request.name.request_id] for request in requests]

    def _perhaps_forget(self, connection: Connection, requests: int, now_us: int) -> None:
        """Forget old requests now and then; more of them than came meanwhile, so that they do not pile up."""
        self._since_forgotten += requests
        if self._since_forgotten >= _FORGET_EACH:
            forget_requests(connection, at_most=_FORGOTTEN_FOR_EACH * self._since_forgotten, now_us=now_us)
            self._since_forgotten = 0


def _delete_rows(connection: Connection, item_ids: Sequence[str]) -> None:
    known = encoder_ids(connection)
    of_items = embedding_tasks.c.encoder_id.in_(known) & embedding_tasks.c.item_id.in_(item_ids)
    connection.execute(delete(items).where(items.c.item_id.in_(item_ids)))
    connection.execute(delete(item_pictures).where(item_pictures.c.item_id.in_(item_ids)))
    connection.execute(delete(embeddings).where(embeddings.c.encoder_id.in_(known), embeddings.c.item_id.in_(item_ids)))
    # A deletion locks rows in any order; workers hold tasks too.
    in_order = (embedding_tasks.c.encoder_id, embedding_tasks.c.item_id)
    connection.execute(select(*in_order).where(of_items).order_by(*in_order).with_for_update()).all()
    connection.execute(delete(embedding_tasks).where(of_items))


def _embedding_statuses(connection: Connection, item_id: str, picture_sha256: str) -> tuple[EmbeddingStatus, ...]:
    statement = (
        select(
            encoders.c.encoder_id,
            (embeddings.c.picture_sha256 == picture_sha256).label("embedded"),
            embedding_tasks.c.parked,
            embedding_tasks.c.attempts,
            embedding_tasks.c.reason,
            embedding_tasks.c.message,
        )
        .select_from(encoders)
        .outerjoin(embeddings, (embeddings.c.encoder_id == encoders.c.encoder_id) & (embeddings.c.item_id == item_id))
        .outerjoin(
            embedding_tasks,
            (embedding_tasks.c.encoder_id == encoders.c.encoder_id) & (embedding_tasks.c.item_id == item_id),
        )
        .where(is_active())
        .order_by(encoders.c.registered_at_us, encoders.c.encoder_id)
    )
    return tuple(
        EmbeddingStatus(
            encoder_id=row.encoder_id,
            embedded=bool(row.embedded),
            parked=bool(row.parked),
            attempts=row.attempts or 0,
            reason=row.reason,
            message=row.message,
        )
        for row in connection.execute(statement)
    )
