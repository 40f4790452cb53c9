"""Categories count what is in them and below them, and what of it an encoder has embedded."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from ruiji_server.domain.errors import Reason
from ruiji_server.domain.items import ItemState
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.category_counts import ItemCounts, category, child_categories, count_categories
from ruiji_server.store.embedded_items import UnknownEncoder
from ruiji_server.store.embedding_tasks import EmbeddingTaskStore, FailedTask, FinishedTask
from ruiji_server.store.encoders import EncoderStateError, register_encoder
from ruiji_server.store.engine import Database
from ruiji_server.store.rollout import retire
from ruiji_server.store.schema import encoders
from sqlalchemy import update

from tests.support.catalogues import DIMENSIONS, an_item, catalogue_items

OLD, NEW = "enc-000000000000000a", "enc-000000000000000b"
VECTOR = np.eye(1, DIMENSIONS, dtype=np.float32)[0]


@pytest.fixture
def store(database: Database) -> Database:
    """Three shoes, one of them sold, and a lamp; one shoe is embedded, one given up, the rest waits."""
    batch = [
        an_item("a", category_path=("Fashion", "Shoes")),
        an_item("b", category_path=("Fashion", "Shoes"), state=ItemState.SOLD),
        an_item("c", category_path=("Fashion", "Shoes", "Boots")),
        an_item("d", category_path=("Home",)),
    ]
    CatalogueStore(database).upsert("1", "", batch)
    register_encoder(database, OLD, "old", DIMENSIONS)
    tasks = EmbeddingTaskStore(database, OLD)
    first, second = tasks.claim(2, 60.0)
    tasks.finish([FinishedTask(first.item_id, first.picture_sha256, VECTOR)])
    tasks.fail([FailedTask(second.item_id, second.picture_sha256, Reason.PICTURE_UNREADABLE, "broken", None)])
    return database


def test_each_item_is_counted_where_it_stands(store):
    counts = count_categories(store, OLD)
    assert {path: count.items for path, count in counts.items()} == {
        ("Fashion", "Shoes"): 2,
        ("Fashion", "Shoes", "Boots"): 1,
        ("Home",): 1,
    }
    shoes = counts["Fashion", "Shoes"]
    assert (shoes.on_sale, shoes.embedded, shoes.given_up) == (1, 1, 1)
    assert counts["Home",].waiting == 1


def test_a_category_has_all_that_is_below_it(store):
    counts = count_categories(store, OLD)
    fashion = category(counts, ["Fashion"])
    assert (fashion.counts, fashion.children) == (ItemCounts(items=3, on_sale=2, waiting=1, given_up=1), 1)
    assert category(counts, []).counts.items == 4
    assert category(counts, ["Nowhere"]).counts == ItemCounts()


def test_children_come_by_name(store):
    counts = count_categories(store, OLD)
    assert [child.path for child in child_categories(counts, [])] == [("Fashion",), ("Home",)]
    assert [child.path for child in child_categories(counts, ["Fashion", "Shoes"])] == [("Fashion", "Shoes", "Boots")]
    assert child_categories(counts, ["Home"]) == []


def test_an_encoder_whose_tasks_are_just_being_given_has_embedded_nothing_more_than_it_has(store):
    register_encoder(store, NEW, "new", DIMENSIONS)
    with store.write() as connection:
        # As if it had died after the first two.
        connection.execute(update(encoders).where(encoders.c.encoder_id == NEW).values(tasks_given_to="b"))
    tasks = EmbeddingTaskStore(store, NEW)
    tasks.finish([FinishedTask(t.item_id, t.picture_sha256, VECTOR) for t in tasks.claim(2, 60.0)])
    counts = count_categories(store, NEW)
    assert category(counts, []).counts.embedded == 2


def test_an_encoder_that_does_not_work_is_refused(store):
    register_encoder(store, NEW, "new", DIMENSIONS)
    retire(store, NEW)
    with pytest.raises(EncoderStateError):
        count_categories(store, NEW)
    with pytest.raises(UnknownEncoder):
        count_categories(store, "enc-ffffffffffffffff")


def test_without_an_encoder_every_item_waits(database):
    CatalogueStore(database).upsert("1", "", [an_item("a"), an_item("b")])
    assert category(count_categories(database, None), []).counts == ItemCounts(items=2, on_sale=2, waiting=2)


def test_the_counts_are_those_of_a_look_at_every_item(database):
    items = catalogue_items(700)
    store = CatalogueStore(database)
    store.upsert("1", "", items[:500])
    store.upsert("2", "", items[500:])
    register_encoder(database, OLD, "old", DIMENSIONS)
    counts = count_categories(database, OLD)
    assert {path: count.items for path, count in counts.items()} == Counter(item.category_path for item in items)
    assert category(counts, []).counts.on_sale == sum(item.state == ItemState.ON_SALE for item in items)
