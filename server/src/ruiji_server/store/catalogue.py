"""Items in the store: applying batches exactly once, deleting, reading one."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import sqlite

from ruiji_server.domain.errors import InvalidArgument, Reason
from ruiji_server.domain.items import Item, ItemState, Picture, PictureContent, PictureUri, Price
from ruiji_server.store.engine import Database
from ruiji_server.store.schema import (
    applied_requests,
    embedding_tasks,
    embeddings,
    encoders,
    feed,
    item_pictures,
    items,
)

REQUEST_MEMORY_S = 7 * 24 * 3600
"""How long a request id is remembered; the contract promises 24 hours."""


class UpsertKind(StrEnum):
    """What became of an item of a batch."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Rejection:
    """An item that was not taken, and why."""

    item_id: str
    reason: str
    message: str
    field: str


@dataclass(frozen=True, slots=True)
class UpsertOutcome:
    """What became of one item of a batch."""

    item_id: str
    kind: UpsertKind
    rejection: Rejection | None = None


@dataclass(frozen=True, slots=True)
class UpsertAnswer:
    """What became of a batch."""

    outcomes: tuple[UpsertOutcome, ...]
    """In the order of the batch."""
    feed_position: int
    """Whoever has read the feed up to here has seen the batch."""
    replayed: bool = False
    """The request had been applied before; this is the answer of then."""


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


class CatalogueStore:
    """Reads and writes items. Every write is durable when its method returns. Blocking; safe in several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def upsert(self, request_id: str, content_sha256: str, batch: Sequence[Item | Rejection]) -> UpsertAnswer:
        """Apply a batch once, however often it is sent.

        Args:
            request_id: the caller's name for the batch.
            content_sha256: over the whole request, to notice a request id that is used twice.
            batch: checked items, and what was rejected at the door; no item id stands twice among the items.

        Raises:
            InvalidArgument: the request id belongs to another batch.
            Unavailable, Overloaded: the store cannot take it now; nothing was written.
        """
        with self._database.write() as connection:
            known = connection.execute(
                select(applied_requests.c.content_sha256, applied_requests.c.answer).where(
                    applied_requests.c.request_id == request_id
                )
            ).one_or_none()
            if known is not None:
                if known.content_sha256 != content_sha256:
                    raise InvalidArgument(
                        Reason.REQUEST_ID_REUSED,
                        f"request id {request_id!r} was used for another batch; choose a new one for each",
                        field="request_id",
                    )
                return _answer_from_json(known.answer)
            answer = self._apply(connection, batch)
            now_us = _now_us()
            connection.execute(
                insert(applied_requests).values(
                    request_id=request_id,
                    content_sha256=content_sha256,
                    answer=_answer_to_json(answer),
                    applied_at_us=now_us,
                )
            )
            connection.execute(
                delete(applied_requests).where(applied_requests.c.applied_at_us < now_us - REQUEST_MEMORY_S * 1_000_000)
            )
            return answer

    def delete(self, item_ids: Sequence[str]) -> tuple[list[bool], int]:
        """Delete items with their pictures, embeddings and tasks.

        Returns:
            For each id whether it was there, and the feed position after the deletion.
        """
        with self._database.write() as connection:
            present = set(connection.scalars(select(items.c.item_id).where(items.c.item_id.in_(item_ids))))
            for table in (items, item_pictures, embeddings, embedding_tasks):
                connection.execute(delete(table).where(table.c.item_id.in_(present)))
            gone = [item_id for item_id in dict.fromkeys(item_ids) if item_id in present]
            _append_to_feed(connection, gone)
            return [item_id in present for item_id in item_ids], _feed_position(connection)

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

    def _apply(self, connection: Connection, batch: Sequence[Item | Rejection]) -> UpsertAnswer:
        wanted = [entry.item_id for entry in batch if isinstance(entry, Item)]
        present = {row.item_id: row for row in connection.execute(select(items).where(items.c.item_id.in_(wanted)))}
        outcomes: list[UpsertOutcome] = []
        changed: list[tuple[Item, str, bool]] = []  # item, digest of its picture, whether that is new
        for entry in batch:
            if isinstance(entry, Rejection):
                outcomes.append(UpsertOutcome(entry.item_id, UpsertKind.REJECTED, entry))
                continue
            row = present.get(entry.item_id)
            if entry.picture is not None:
                digest = entry.picture.digest()
            elif row is not None:
                digest = row.picture_sha256
            else:
                missing = Rejection(
                    entry.item_id, Reason.PICTURE_MISSING, "a new item needs a picture", "picture_content"
                )
                outcomes.append(UpsertOutcome(entry.item_id, UpsertKind.REJECTED, missing))
                continue
            new_picture = row is None or digest != row.picture_sha256
            if row is not None and not new_picture and _columns_of(entry).items() <= row._mapping.items():
                outcomes.append(UpsertOutcome(entry.item_id, UpsertKind.UNCHANGED))
                continue
            outcomes.append(UpsertOutcome(entry.item_id, UpsertKind.CREATED if row is None else UpsertKind.UPDATED))
            changed.append((entry, digest, new_picture))
        self._write_changes(connection, changed)
        return UpsertAnswer(tuple(outcomes), _feed_position(connection))

    def _write_changes(self, connection: Connection, changed: Sequence[tuple[Item, str, bool]]) -> None:
        if not changed:
            return
        positions = _append_to_feed(connection, [item.item_id for item, _, _ in changed])
        now_us = _now_us()
        new_pictures = [(item, digest) for item, digest, new_picture in changed if new_picture]
        _replace(
            connection,
            items,
            [
                {
                    "item_id": item.item_id,
                    **_columns_of(item),
                    "picture_sha256": digest,
                    "picture_uri": item.picture.uri if isinstance(item.picture, PictureUri) else None,
                    "feed_position": position,
                    "updated_at_us": now_us,
                }
                for (item, digest, new_picture), position in zip(changed, positions, strict=True)
                if new_picture
            ],
        )
        _update_without_picture(
            connection,
            [
                {"key": item.item_id, **_columns_of(item), "feed_position": position, "updated_at_us": now_us}
                for (item, _, new_picture), position in zip(changed, positions, strict=True)
                if not new_picture
            ],
        )
        # A picture that moved from inline to a URI leaves no bytes behind.
        moved = [item.item_id for item, _ in new_pictures if isinstance(item.picture, PictureUri)]
        connection.execute(delete(item_pictures).where(item_pictures.c.item_id.in_(moved)))
        _replace(
            connection,
            item_pictures,
            [
                {"item_id": item.item_id, "content": item.picture.content}
                for item, _ in new_pictures
                if isinstance(item.picture, PictureContent)
            ],
        )
        encoder_ids = list(connection.scalars(select(encoders.c.encoder_id)))
        _replace(
            connection,
            embedding_tasks,
            [
                {
                    "encoder_id": encoder_id,
                    "item_id": item.item_id,
                    "picture_sha256": digest,
                    "parked": False,
                    "available_at_us": now_us,
                    "attempts": 0,
                    "reason": None,
                    "message": None,
                }
                for encoder_id in encoder_ids
                for item, digest in new_pictures
            ],
        )


def _columns_of(item: Item) -> dict[str, Any]:
    return {
        "title": item.title,
        "price_minor": item.price.amount_minor,
        "currency": item.price.currency,
        "category_path": json.dumps(item.category_path, ensure_ascii=False),
        "state": int(item.state),
    }


def _replace(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    statement = sqlite.insert(table)
    keys = [column.name for column in table.primary_key]
    values: dict[str, ColumnElement[Any]] = {
        column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys
    }
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=values), rows)


def _update_without_picture(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        columns: dict[str, Any] = {name: bindparam(name) for name in rows[0] if name != "key"}
        connection.execute(update(items).where(items.c.item_id == bindparam("key")).values(columns), rows)


def _append_to_feed(connection: Connection, item_ids: Sequence[str]) -> list[int]:
    if not item_ids:
        return []
    statement = insert(feed).returning(feed.c.position, sort_by_parameter_order=True)
    return list(connection.scalars(statement, [{"item_id": item_id} for item_id in item_ids]))


def _feed_position(connection: Connection) -> int:
    return int(connection.execute(select(func.coalesce(func.max(feed.c.position), 0))).scalar_one())


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


def _answer_to_json(answer: UpsertAnswer) -> str:
    return json.dumps(asdict(answer), ensure_ascii=False)


def _answer_from_json(text: str) -> UpsertAnswer:
    raw = json.loads(text)
    outcomes = tuple(
        UpsertOutcome(
            item_id=entry["item_id"],
            kind=UpsertKind(entry["kind"]),
            rejection=Rejection(**entry["rejection"]) if entry["rejection"] else None,
        )
        for entry in raw["outcomes"]
    )
    return UpsertAnswer(outcomes, raw["feed_position"], replayed=True)


def _now_us() -> int:
    return time.time_ns() // 1_000
