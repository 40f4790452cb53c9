"""Applying a batch of items within a transaction: what changes, and the rows that say so."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, delete, select, update

from ruiji_server.domain.errors import Reason
from ruiji_server.domain.items import Item, PictureContent, PictureUri
from ruiji_server.store.answers import Rejection, UpsertAnswer, UpsertKind, UpsertOutcome
from ruiji_server.store.encoders import active_encoder_ids
from ruiji_server.store.feed import append_changes, last_position
from ruiji_server.store.rows import insert_rows, upsert_rows
from ruiji_server.store.schema import embedding_tasks, item_pictures, items
from ruiji_server.store.statements import FrequentStatement, Lookup


class _Before(NamedTuple):
    """An item's row before the batch."""

    item_id: str
    title: str
    price_minor: int
    currency: str
    category_path: str
    state: int
    picture_sha256: str
    picture_uri: str | None


_PRESENT = Lookup(select(*(items.c[name] for name in _Before._fields)), items.c.item_id, lock=True)
_UPDATE = FrequentStatement(
    update(items)
    .where(items.c.item_id == bindparam("key"))
    .values({column.name: bindparam(column.name) for column in items.columns if column.name != "item_id"})
)


@dataclass(frozen=True, slots=True)
class _Change:
    item: Item
    picture_sha256: str
    before: _Before | None
    """None if the item is new."""

    @property
    def new_picture(self) -> bool:
        return self.before is None or self.picture_sha256 != self.before.picture_sha256


def apply_batch(connection: Connection, batch: Sequence[Item | Rejection], *, now_us: int) -> UpsertAnswer:
    """Apply a batch.

    Args:
        connection: in a transaction that writes.
        batch: checked items, each once, and what was rejected at the door.
        now_us: when.

    Raises:
        WrittenMeanwhile: another transaction made one of the items at the same time.
    """
    present = _lock_items(connection, batch)
    outcomes: list[UpsertOutcome] = []
    changes: list[_Change] = []
    for entry in batch:
        if isinstance(entry, Rejection):
            outcomes.append(UpsertOutcome(entry.item_id, UpsertKind.REJECTED, entry))
            continue
        before = present.get(entry.item_id)
        if entry.picture is not None:
            digest = entry.picture.digest()
        elif before is not None:
            digest = before.picture_sha256
        else:
            missing = Rejection(entry.item_id, Reason.PICTURE_MISSING, "a new item needs a picture", "picture_content")
            outcomes.append(UpsertOutcome(entry.item_id, UpsertKind.REJECTED, missing))
            continue
        change = _Change(entry, digest, before)
        if before is None:
            kind = UpsertKind.CREATED
        elif change.new_picture or not _described(entry).items() <= before._asdict().items():
            kind = UpsertKind.UPDATED
        else:
            kind = UpsertKind.UNCHANGED
        outcomes.append(UpsertOutcome(entry.item_id, kind))
        if kind != UpsertKind.UNCHANGED:
            changes.append(change)
    positions = _write(connection, sorted(changes, key=lambda change: change.item.item_id), now_us)
    return UpsertAnswer(tuple(outcomes), max(positions.values()) if positions else last_position(connection))


def _lock_items(connection: Connection, batch: Sequence[Item | Rejection]) -> dict[str, _Before]:
    wanted = [entry.item_id for entry in batch if isinstance(entry, Item)]
    return {row[0]: _Before(*row) for row in _PRESENT.rows(connection, wanted)}


def _write(connection: Connection, changes: Sequence[_Change], now_us: int) -> dict[str, int]:
    if not changes:
        return {}
    created = [change for change in changes if change.before is None]
    updated = [change for change in changes if change.before is not None]
    repictured = [change for change in updated if change.new_picture]
    if created or repictured:
        _write_pictures(connection, created, repictured)
        _write_tasks(connection, created, repictured, now_us)
    positions = append_changes(connection, [change.item.item_id for change in changes])
    insert_rows(connection, items, [_row(change, positions, now_us) for change in created])
    if updated:
        rows = [_row(change, positions, now_us) for change in updated]
        _UPDATE.each(connection, [{"key": row.pop("item_id"), **row} for row in rows])
    return positions


def _write_pictures(connection: Connection, created: Sequence[_Change], repictured: Sequence[_Change]) -> None:
    insert_rows(connection, item_pictures, _picture_rows(created))
    upsert_rows(connection, item_pictures, _picture_rows(repictured))
    # A picture that moved from inline to a URI leaves no bytes behind.
    moved = [change.item.item_id for change in repictured if isinstance(change.item.picture, PictureUri)]
    if moved:
        connection.execute(delete(item_pictures).where(item_pictures.c.item_id.in_(moved)))


def _write_tasks(
    connection: Connection, created: Sequence[_Change], repictured: Sequence[_Change], now_us: int
) -> None:
    for encoder_id in active_encoder_ids(connection):
        insert_rows(connection, embedding_tasks, [_task_row(encoder_id, change, now_us) for change in created])
        upsert_rows(connection, embedding_tasks, [_task_row(encoder_id, change, now_us) for change in repictured])


def _row(change: _Change, positions: dict[str, int], now_us: int) -> dict[str, Any]:
    item = change.item
    if item.picture is None and change.before is not None:
        uri = change.before.picture_uri
    else:
        uri = item.picture.uri if isinstance(item.picture, PictureUri) else None
    return {
        "item_id": item.item_id,
        **_described(item),
        "picture_sha256": change.picture_sha256,
        "picture_uri": uri,
        "feed_position": positions[item.item_id],
        "updated_at_us": now_us,
    }


def _described(item: Item) -> dict[str, Any]:
    return {
        "title": item.title,
        "price_minor": item.price.amount_minor,
        "currency": item.price.currency,
        "category_path": json.dumps(item.category_path, ensure_ascii=False),
        "state": int(item.state),
    }


def _picture_rows(changes: Sequence[_Change]) -> list[dict[str, Any]]:
    return [
        {"item_id": change.item.item_id, "content": change.item.picture.content}
        for change in changes
        if isinstance(change.item.picture, PictureContent)
    ]


def _task_row(encoder_id: str, change: _Change, now_us: int) -> dict[str, Any]:
    return {
        "encoder_id": encoder_id,
        "item_id": change.item.item_id,
        "picture_sha256": change.picture_sha256,
        "parked": False,
        "available_at_us": now_us,
        "attempts": 0,
        "reason": None,
        "message": None,
    }
