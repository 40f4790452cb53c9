"""A generation with changes answers as a catalogue that had them from the beginning."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruiji_server.columns.live import ItemChange, LiveColumns
from ruiji_server.columns.neighbours import NeighbourTable
from ruiji_server.domain.items import Item, ItemState, Price
from ruiji_server.generations.neighbours import NeighbourTableSettings, write_neighbours
from ruiji_server.index.exact import nearest_among
from ruiji_server.ranking.policy import RankingPolicy
from ruiji_server.ranking.query import Query
from ruiji_server.ranking.recommender import Recommender

from tests.support.catalogues import CATEGORIES, build, clustered_vectors, fill_store
from tests.support.columns import Column
from tests.support.reference_ranking import wanted_page

ITEMS = 120
NEW_CATEGORY = ("Fashion", "Shoes", "Wooden clogs")
VECTORS = clustered_vectors(ITEMS, seed=9, clusters=6)


class ExactSearch:
    def __init__(self, embeddings):
        self._embeddings = embeddings

    def search(self, query, k):
        return nearest_among(self._embeddings, np.arange(len(self._embeddings)), query, k)[0]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    store = fill_store(folder, ITEMS)
    directory, _ = build(store, folder / "generations")
    generation = directory.open_current()
    # Narrow, so that changes often leave too few of its neighbours.
    write_neighbours(folder, generation.columns, NeighbourTableSettings(width=12), lambda _items: None)
    yield store, generation, NeighbourTable.open(folder, 2.0)
    store.database.close()


items = st.builds(
    lambda number, price, currency, path, state, vector: (
        Item(f"item-{number:05d}", "", Price(price, currency), path, state), VECTORS[vector],
    ),
    st.integers(0, ITEMS + 20),
    st.integers(1, 20_000),
    st.sampled_from(["JPY", "USD", "EUR"]),
    st.sampled_from([*CATEGORIES, NEW_CATEGORY]),
    st.sampled_from(ItemState),
    st.integers(0, ITEMS - 1),
)  # fmt: skip
deletions = st.integers(0, ITEMS + 20).map(lambda number: f"item-{number:05d}")


@settings(max_examples=60, deadline=None)
@given(
    changes=st.lists(st.one_of(items, deletions), max_size=40),
    asked=st.integers(0, ITEMS - 1),
    ratio=st.sampled_from([1.2, 2.0, math.inf]),
    candidates=st.sampled_from([5, 100]),
    with_table=st.booleans(),
)
def test_pages_are_those_of_the_changed_catalogue(small, changes, asked, ratio, candidates, with_table):
    store, generation, table = small
    live, current = (
        LiveColumns(generation.columns),
        {item.item_id: (item, vector) for item, vector in zip(store.items, store.vectors, strict=True)},
    )
    for change in changes:
        if isinstance(change, str):
            current.pop(change, None)
            live.apply([ItemChange(change, None)])
        else:
            item, vector = change
            current[item.item_id] = change
            live.apply([ItemChange(item.item_id, column(item, vector))])
    for item_id, (item, vector) in current.items():
        row = live.row_of(item_id)
        assert live.item_id(row) == item_id
        assert live.price(row) == item.price
        assert live.category_path(row) == item.category_path
        np.testing.assert_array_equal(live.embedding(row), vector)
    assert all(live.row_of(change) is None for change in changes if isinstance(change, str) and change not in current)
    recommender = Recommender(live, ExactSearch(generation.columns.embeddings), table if with_table else None)
    assert_same_page(recommender, live, current, sorted(current)[asked % len(current)], ratio, candidates)


def assert_same_page(recommender: Recommender, live: LiveColumns, current, item_id, ratio, candidates) -> None:
    item, vector = current[item_id]
    policy = RankingPolicy(max_price_ratio=ratio, candidates=candidates)
    page = recommender.recommend(
        Query(vector, 5, policy, price=item.price, category_path=item.category_path, row=live.row_of(item_id))
    )
    expected, exhausted = wanted_page(
        [item for item, _ in current.values()], np.stack([vector for _, vector in current.values()]), vector,
        page_size=5, policy=policy, price=item.price, category_path=item.category_path, excluded={item_id},
    )  # fmt: skip
    found = [live.item_id(row) for row in page.rows.tolist()]
    assert page.exhausted == exhausted
    assert len(found) == len(expected)
    # Equal vectors are frequent here; cosines in float32 tell some of them apart by the order of additions.
    for one, other in zip(found, expected, strict=True):
        if one != other:
            assert abs(score(current, one, item, vector, policy) - score(current, other, item, vector, policy)) < 1e-5


def score(current, item_id, item, vector, policy) -> float:
    other, other_vector = current[item_id]
    common = 0
    for left, right in zip(item.category_path, other.category_path, strict=False):
        if left != right:
            break
        common += 1
    similarity = 2 * common / (len(item.category_path) + len(other.category_path))
    return (1 - policy.category_weight) * float(other_vector @ vector) + policy.category_weight * similarity


def column(item: Item, vector) -> Column:
    return Column(item.item_id, item.price.amount_minor, item.price.currency, item.category_path, item.state, vector)


def test_a_change_hides_the_row_it_replaces(small):
    store, generation, _ = small
    live = LiveColumns(generation.columns)
    dearer = replace(store.items[3], price=Price(77, "JPY"))
    live.apply([ItemChange(dearer.item_id, column(dearer, store.vectors[3]))])
    assert live.row_of(dearer.item_id) >= len(generation.columns)
    assert live.hidden[3]
    assert live.changed_items == 1
    live.apply([ItemChange(dearer.item_id, None)])
    assert live.row_of(dearer.item_id) is None
    assert live.changed_items == 0


def test_room_grows_with_the_changes(small):
    store, generation, _ = small
    live = LiveColumns(generation.columns)
    vectors = clustered_vectors(1_000)
    new = [replace(store.items[0], item_id=f"new-{n:04d}") for n in range(1_000)]
    live.apply(ItemChange(item.item_id, column(item, vector)) for item, vector in zip(new, vectors, strict=True))
    assert live.changed_items == 1_000
    for item, vector in zip(new, vectors, strict=True):
        np.testing.assert_array_equal(live.embedding(live.row_of(item.item_id)), vector)
