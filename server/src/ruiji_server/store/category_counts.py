"""How many items each category has, and how many of them an encoder has embedded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, case, func, select

from ruiji_server.domain.items import ItemState
from ruiji_server.store.encoders import EncoderState, EncoderStateError, encoder_in
from ruiji_server.store.engine import Database
from ruiji_server.store.schema import embedding_tasks, encoders, items

CategoryPath = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ItemCounts:
    """Items of a category, those below it included or not as the holder says."""

    items: int = 0
    on_sale: int = 0
    waiting: int = 0
    """Their present picture is to be embedded."""
    given_up: int = 0
    """Their present picture cannot be embedded."""

    @property
    def embedded(self) -> int:
        """Items whose present picture is embedded."""
        return self.items - self.waiting - self.given_up

    def __add__(self, other: ItemCounts) -> ItemCounts:
        return ItemCounts(
            self.items + other.items,
            self.on_sale + other.on_sale,
            self.waiting + other.waiting,
            self.given_up + other.given_up,
        )


@dataclass(frozen=True, slots=True)
class Category:
    """A node of the category tree."""

    path: CategoryPath
    """Root to node; empty for the whole catalogue."""
    counts: ItemCounts
    """Of the items in it and below it."""
    children: int
    """Categories directly below it."""


def count_categories(database: Database, encoder_id: str | None) -> dict[CategoryPath, ItemCounts]:
    """Count the items that stand directly in each category. Reads every item: about a second for a million.

    Args:
        database: the store.
        encoder_id: whose embeddings count; None if there is no encoder yet, and every item waits for one.

    Raises:
        UnknownEncoder: it was never registered.
        EncoderStateError: it is retired, and what it left says nothing.
    """
    task = and_(embedding_tasks.c.encoder_id == encoder_id, embedding_tasks.c.item_id == items.c.item_id)
    has_task = embedding_tasks.c.item_id.is_not(None)
    with database.read() as connection:
        given_to: str | None = ""
        if encoder_id is not None:
            if encoder_in(connection, encoder_id).state == EncoderState.RETIRED:
                raise EncoderStateError(f"encoder {encoder_id} is retired and embeds nothing")
            given_to = connection.execute(
                select(encoders.c.tasks_given_to).where(encoders.c.encoder_id == encoder_id)
            ).scalar_one()
        waits = and_(has_task, embedding_tasks.c.parked.is_(False))
        if given_to is not None:
            # A new encoder: these will have their tasks in a moment.
            waits = waits | and_(~has_task, items.c.item_id > given_to)
        counted = (
            select(
                items.c.category_path,
                func.count(),
                func.sum(case((items.c.state == int(ItemState.ON_SALE), 1), else_=0)),
                func.sum(case((waits, 1), else_=0)),
                func.sum(case((and_(has_task, embedding_tasks.c.parked.is_(True)), 1), else_=0)),
            )
            .select_from(items.outerjoin(embedding_tasks, task))
            .group_by(items.c.category_path)
        )
        rows = connection.execute(counted).all()
    return {tuple(json.loads(path)): ItemCounts(*map(int, numbers)) for path, *numbers in rows}


def category(counts: dict[CategoryPath, ItemCounts], path: Sequence[str]) -> Category:
    """Return a category with all that is below it; one that has no items counts nothing.

    Args:
        counts: as `count_categories` returns them.
        path: root to node; empty for the whole catalogue.
    """
    prefix = tuple(path)
    below = {each: count for each, count in counts.items() if each[: len(prefix)] == prefix}
    children = {each[: len(prefix) + 1] for each in below if len(each) > len(prefix)}
    return Category(prefix, _total(below.values()), len(children))


def child_categories(counts: dict[CategoryPath, ItemCounts], path: Sequence[str]) -> list[Category]:
    """Return the categories directly below a category, in the order of their names; arguments as for `category`."""
    depth = len(path) + 1
    below: dict[CategoryPath, dict[CategoryPath, ItemCounts]] = {}
    for each, count in counts.items():
        if len(each) >= depth and each[: len(path)] == tuple(path):
            below.setdefault(each[:depth], {})[each] = count
    return [category(grouped, child) for child, grouped in sorted(below.items())]


def _total(counts: Iterable[ItemCounts]) -> ItemCounts:
    return sum(counts, ItemCounts())
