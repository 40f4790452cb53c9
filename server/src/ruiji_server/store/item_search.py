"""Finding items by the words of their titles, by category and by the beginning of their ids.

There is no index over titles: writing listings must stay cheap, and those who search are a few people at a console.
So a search reads items in the order of their ids, never more than a bounded number in one go, and says where to go on.
A rare word in a large catalogue therefore takes several pages, some of which are empty; no search ever holds the store
for long.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, Row, func, or_, select

from ruiji_server.domain.items import Item, ItemState, PictureUri, Price
from ruiji_server.store.engine import Database
from ruiji_server.store.schema import items

EXAMINED_ITEMS: Final = 50_000
"""Looked at in one go; some tens of milliseconds."""
_SURROGATES: Final = range(0xD800, 0xE000)
_LAST_CODE_POINT: Final = 0x10FFFF


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Which items are wanted; what is left empty restricts nothing."""

    words: Sequence[str] = ()
    """All of them stand somewhere in the title, in either case as far as A to Z go."""
    category_prefix: Sequence[str] = ()
    """The beginning of the category path, in whole names."""
    item_id_prefix: str = ""
    """The beginning of the id."""


@dataclass(frozen=True, slots=True)
class FoundItem:
    """An item without its picture's bytes."""

    item: Item
    picture_sha256: str


@dataclass(frozen=True, slots=True)
class FoundItems:
    """One page of a search."""

    items: tuple[FoundItem, ...]
    """In the order of their ids' UTF-8 bytes."""
    go_on_after: str | None
    """The id after which to look further; None if everything was looked at."""


def search_items(
    database: Database, wanted: ItemFilter, *, after: str = "", limit: int, examined: int = EXAMINED_ITEMS
) -> FoundItems:
    """Return the next items that a filter lets through.

    Args:
        database: the store.
        wanted: which items.
        after: the id after which to look; empty for the beginning.
        limit: most items to return.
        examined: most items to look at.
    """
    within = [items.c.item_id > after, *_id_range(wanted.item_id_prefix)]
    # Without further conditions the first ones are those that are wanted.
    enough = examined if wanted.words or wanted.category_prefix else min(examined, limit + 1)
    looked_at = select(items).where(*within).order_by(items.c.item_id).limit(enough)
    last_looked_at = select(items.c.item_id).where(*within).order_by(items.c.item_id).offset(examined - 1).limit(1)
    window = looked_at.subquery()
    # One more than wanted tells whether there is more.
    found = select(window).where(*_conditions(window, wanted)).order_by(window.c.item_id).limit(limit + 1)
    with database.read() as connection:
        rows = connection.execute(found).all()
        if len(rows) > limit:
            go_on_after: str | None = rows[limit - 1].item_id
        else:
            go_on_after = connection.execute(last_looked_at).scalar_one_or_none()
    return FoundItems(tuple(_found(row) for row in rows[:limit]), go_on_after)


def in_category(path: ColumnElement[str], prefix: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition under which a stored category path is a category or lies below it.

    Args:
        path: the column.
        prefix: names from the root; at least one.
    """
    whole = json.dumps(list(prefix), ensure_ascii=False)
    below = whole.removesuffix("]") + ", "
    # Not LIKE, for which SQLite takes A and a for the same.
    return or_(path == whole, func.substr(path, 1, len(below)) == below)


def _conditions(window: FromClause, wanted: ItemFilter) -> list[ColumnElement[bool]]:
    conditions = [window.c.title.icontains(word, autoescape=True) for word in wanted.words]
    if wanted.category_prefix:
        conditions.append(in_category(window.c.category_path, wanted.category_prefix))
    return conditions


def _id_range(prefix: str) -> list[ColumnElement[bool]]:
    if not prefix:
        return []
    end = _after_all_with(prefix)
    return [items.c.item_id >= prefix] + ([] if end is None else [items.c.item_id < end])


def _after_all_with(prefix: str) -> str | None:
    """Return the least string after all that begin with a prefix, or None if there is none.

    UTF-8 sorts as code points do.
    """
    kept = prefix.rstrip(chr(_LAST_CODE_POINT))
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(_SURROGATES.stop if following in _SURROGATES else following)


def _found(row: Row[Any]) -> FoundItem:
    return FoundItem(
        Item(
            item_id=row.item_id,
            title=row.title,
            price=Price(row.price_minor, row.currency),
            category_path=tuple(json.loads(row.category_path)),
            state=ItemState(row.state),
            picture=None if row.picture_uri is None else PictureUri(row.picture_uri),
        ),
        row.picture_sha256,
    )
