"""Pages that the kernel writes are, byte for byte, those that the recommender makes and protobuf encodes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruiji.v1 import recommendation_pb2 as pb
from ruiji_server.columns import reader
from ruiji_server.columns.live import ItemChange, LiveColumns
from ruiji_server.columns.neighbours import NeighbourTable
from ruiji_server.columns.reader import Columns
from ruiji_server.domain.items import ItemState
from ruiji_server.generations.neighbours import NeighbourTableSettings, write_neighbours
from ruiji_server.ranking.from_table import Reach
from ruiji_server.ranking.policy import RankingPolicy
from ruiji_server.ranking.query import Query
from ruiji_server.ranking.recommender import Recommender
from ruiji_server.services.wire import add_items

from tests.support.answering import answering_by, choice_of, parsed, request_for
from tests.support.catalogues import CATEGORIES
from tests.support.columns import Column

TABLE_RATIO = 2.0
SCANS, MEETS, NEITHER = Reach(), Reach(0, 3, 1.0), Reach(0, 1, 1_000.0)
"""What is compared where an item's neighbours do not suffice: its whole band, their neighbours, or nothing."""


@pytest.fixture(scope="module")
def table(generation, tmp_path_factory) -> NeighbourTable:
    """Narrow, so that what is left of it after changes often does not suffice."""
    folder = tmp_path_factory.mktemp("table")
    settings = NeighbourTableSettings(width=48, max_price_ratio=TABLE_RATIO)
    write_neighbours(folder, generation.columns, settings, lambda _items: None)
    return NeighbourTable.open(folder, TABLE_RATIO)


def the_long_way(recommender: Recommender, live: LiveColumns, item_id: str, policy, page_size):
    """Return the page as a message, and whether it came from the neighbour table."""
    row = live.row_of(item_id)
    query = Query(live.embedding(row), page_size, policy, live.price(row), live.category_path(row), row=row)
    page = recommender.recommend(query)
    answer = pb.SimilarItemsResponse(catalogue_exhausted=page.exhausted)
    add_items(answer, page, live)
    return answer, page.trace.from_table


def written(recommender: Recommender, item_id: str, policy, page_size) -> pb.SimilarItemsResponse | None:
    return parsed(answering_by([choice_of(recommender, policy, page_size)]).answer(request_for(item_id)))


policies = st.builds(
    RankingPolicy,
    max_price_ratio=st.sampled_from([1.0, 1.15, 1.5, TABLE_RATIO]) | st.floats(1.0, TABLE_RATIO),
    category_weight=st.sampled_from([0.0, 0.2, 1.0]) | st.floats(0.0, 1.0),
    candidates=st.integers(1, 48),
)
changes = st.tuples(
    st.integers(0, 3_000),
    st.integers(1, 20_000),
    st.sampled_from(["JPY", "USD", "EUR"]),
    st.sampled_from([*CATEGORIES, ("Never", "seen")]),
    st.sampled_from(ItemState),
    st.none() | st.integers(0, 2_999),
    st.sampled_from(["item-{:05d}", "新しい{}", "x" * 120 + "{:05d}"]),
)


@settings(max_examples=150, deadline=None)
@given(
    changed=st.lists(changes, max_size=30),
    gone=st.lists(st.integers(0, 2_999), max_size=10),
    asked=st.lists(st.integers(0, 2_999), min_size=1, max_size=10),
    policy=policies,
    page_size=st.integers(1, 60),
    reach=st.sampled_from([SCANS, MEETS, NEITHER]),
)
def test_whatever_changed_since(generation, table, changed, gone, asked, policy, page_size, reach):
    columns = generation.columns
    live = LiveColumns(columns)
    recommender = Recommender(live, generation.index, table, reach)
    for number, price, currency, path, state, vector, pattern in changed:
        item_id = pattern.format(number)
        # Of an item of the generation without a vector only the rest changed, and its price only a little.
        row = columns.row_of(item_id) if vector is None else None
        if row is not None:
            price, currency = columns.price(row)[0] * 9 // 10 + price % 2, columns.price(row)[1]
        column = Column(item_id, price, currency, path, state, columns.embeddings[row or vector or 0])
        live.apply([ItemChange(item_id, column)])
    live.apply(ItemChange(columns.item_id(row), None) for row in gone)
    for item_id in map(columns.item_id, asked):
        found, row = written(recommender, item_id, policy, page_size), live.row_of(item_id)
        if row is None:
            assert found is None
        elif found is not None:
            assert live.generation_row(row) is not None
            wanted, _ = the_long_way(recommender, live, item_id, policy, page_size)
            assert found.SerializeToString(deterministic=True) == wanted.SerializeToString(deterministic=True)


@pytest.mark.parametrize(
    ("reach", "ratio", "page_size", "least"),
    [
        (NEITHER, 2.0, 20, 900), (NEITHER, 2.0, 1, 900), (NEITHER, 2.0, 40, 900), (NEITHER, 1.2, 20, 10),
        (SCANS, 1.2, 20, 1_000), (SCANS, 2.0, 60, 1_000),
        (MEETS, 1.2, 20, 900), (MEETS, 2.0, 60, 900),
    ],
)  # fmt: skip
def test_every_item_of_the_generation_has_one(generation, table, reach, ratio, page_size, least):
    live = LiveColumns(generation.columns)
    recommender, policy = Recommender(live, generation.index, table, reach), RankingPolicy(ratio, 0.2, 30)
    sufficed = 0
    for row in range(0, len(generation.columns), 3):
        item_id = generation.columns.item_id(row)
        wanted, from_table = the_long_way(recommender, live, item_id, policy, page_size)
        found = written(recommender, item_id, policy, page_size)
        assert found is None or found == wanted
        assert found is not None or not from_table
        sufficed += found is not None
    assert sufficed >= least


@pytest.mark.parametrize("factor", [1.0, 0.8, 1.2])
def test_items_that_were_sold_or_whose_price_moved_have_one(generation, table, factor):
    columns = generation.columns
    live = LiveColumns(columns)
    recommender, policy = Recommender(live, generation.index, table), RankingPolicy(candidates=30)
    for row in range(0, 300, 10):
        item_id, (price, currency) = columns.item_id(row), columns.price(row)
        live.apply([
            ItemChange(item_id, Column(
                item_id, round(price * factor), currency, live.category_path(row), ItemState.SOLD, live.embedding(row)
            ))
        ])  # fmt: skip
    for row in range(0, 300, 10):
        item_id = columns.item_id(row)
        found, (wanted, _) = (
            written(recommender, item_id, policy, 20),
            the_long_way(recommender, live, item_id, policy, 20),
        )
        assert found is not None
        assert found.SerializeToString(deterministic=True) == wanted.SerializeToString(deterministic=True)


def test_what_the_table_does_not_cover_is_left_to_the_long_way(generation, table):
    recommender = Recommender(LiveColumns(generation.columns), generation.index, table, NEITHER)
    item_id = generation.columns.item_id(5)
    assert written(recommender, item_id, RankingPolicy(max_price_ratio=2.01, candidates=30), 20) is None
    assert written(recommender, item_id, RankingPolicy(max_price_ratio=math.inf, candidates=30), 20) is None
    assert written(recommender, item_id, RankingPolicy(candidates=49), 20) is None
    assert written(recommender, item_id, RankingPolicy(candidates=30), 60) is None
    assert written(recommender, "nobody", RankingPolicy(candidates=30), 20) is None


def test_without_kernels_or_a_table_there_is_none(generation, table, monkeypatch):
    item_id = generation.columns.item_id(5)
    assert written(Recommender(LiveColumns(generation.columns), generation.index), item_id, RankingPolicy(), 20) is None
    monkeypatch.setattr(reader, "KERNELS", None)
    live = LiveColumns(Columns(generation.folder))
    assert written(Recommender(live, generation.index, table), item_id, RankingPolicy(candidates=30), 20) is None
