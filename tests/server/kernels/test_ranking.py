"""The compiled ranking is NumPy's to the bit, or refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruiji_server.columns import reader
from ruiji_server.columns.live import ItemChange, LiveColumns
from ruiji_server.columns.reader import Columns
from ruiji_server.domain.items import ItemState, Price
from ruiji_server.kernels.columns import NO_AMOUNT
from ruiji_server.ranking.candidates import Candidates, Drops
from ruiji_server.ranking.policy import RankingPolicy
from ruiji_server.ranking.query import Query
from ruiji_server.ranking.recommender import Recommender

from tests.support.columns import Column
from tests.support.compiled import compiled_changes, compiled_columns

COARSE = st.integers(-8, 8).map(lambda eighths: eighths / 8)
"""Cosines that often tie."""
COSINES = st.one_of(COARSE, st.floats(-1, 1, width=32))
CHANGED = 40


@pytest.fixture(scope="module")
def pair(generation):
    """Two recommenders over a generation in which items changed: with kernels and without."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "KERNELS", None)
        plain = Columns(generation.folder)
    return _recommender(generation.columns), _recommender(plain)


def _recommender(columns):
    live = LiveColumns(columns)
    live.apply(ItemChange(item_id, _changed(columns, number, item_id)) for number, item_id in _changes(columns))
    return Recommender(live, None)


def _changes(columns):
    """Half of them are of the catalogue, half are new; their order is not that of their ids."""
    return [
        (number, columns.item_id(number * 11) if number % 2 else f"new-{(number * 7) % CHANGED:03}")
        for number in range(CHANGED)
    ]


def _changed(columns, number, item_id):
    path = columns.category_paths[number % 5] if number % 3 else ("Never", f"seen {number}")
    return Column(
        item_id=item_id,
        vector=columns.embeddings[number],
        price_minor=100 + number,
        currency="JPY",
        category_path=path,
        state=ItemState.ON_SALE,
    )


@given(
    data=st.data(),
    weight=st.sampled_from([0.0, 0.2, 0.5, 1.0]) | st.floats(0, 1),
    page_size=st.integers(1, 200),
    price=st.none() | st.integers(1, 10**15).map(lambda amount: Price(amount, "JPY")),
    known_category=st.booleans(),
)
def test_pages_are_those_of_numpy(pair, data, weight, page_size, price, known_category):
    compiled, plain = pair
    items = len(compiled._live.base)
    rows = data.draw(st.lists(st.integers(0, items + CHANGED - 1), min_size=1, max_size=250, unique=True))
    cosines = data.draw(st.lists(COSINES, min_size=len(rows), max_size=len(rows)))
    order = np.argsort(-np.array(cosines), kind="stable")
    found = Candidates(
        np.array(rows, np.int64)[order], np.array(cosines, np.float32)[order], len(rows), len(rows), Drops()
    )
    path = compiled._live.category_paths[3] if known_category else ("Never", "seen either")
    query = Query(compiled._live.base.embeddings[0], page_size, RankingPolicy(category_weight=weight), price, path)
    one, other = compiled._ranked(query, found), plain._ranked(query, found)
    for ours, numpys in zip(one, other, strict=True):
        assert (ours is None) == (numpys is None)
        assert ours is None or (ours.dtype == numpys.dtype and ours.tobytes() == numpys.tobytes())


def ranked(columns, rows, cosines, *, changed_items=0, amount=NO_AMOUNT, similarities=(1.0,), page_size=3):
    changed = compiled_changes(columns, [b"x"] * changed_items)
    weights = np.float32(0.5), np.float32(0.5)
    return columns.rank(
        changed, np.array(rows, np.int64), np.array(cosines, np.float32), np.array(similarities, np.float32),
        weights, amount, page_size,
    )  # fmt: skip


def test_by_hand():
    columns = compiled_columns([b"a", b"b", b"c"], categories=[0, 1, 0], prices_minor=[100, 50, 400])
    page = ranked(columns, [1, 2, 0], [0.9, 0.5, 0.25], similarities=(1.0, 0.0), amount=200)
    assert page.rows.tolist() == [2, 0, 1]
    assert page.scores.tolist() == pytest.approx([0.75, 0.625, 0.45])
    assert page.category_similarities.tolist() == [1.0, 1.0, 0.0]
    assert page.price_ratios.tolist() == [2.0, 2.0, 4.0]


def test_ties_go_by_row():
    columns = compiled_columns([b"a", b"b", b"c", b"d"])
    assert ranked(columns, [3, 1, 2, 0], [0.5, 0.5, 0.5, 0.5]).rows.tolist() == [0, 1, 2]


def test_a_tie_with_a_changed_item_is_left_to_numpy():
    """Its row says nothing of its id."""
    columns = compiled_columns([b"a", b"b"])
    assert ranked(columns, [0, 2], [0.5, 0.5], changed_items=1) is None
    assert ranked(columns, [0, 2], [0.5, 0.4], changed_items=1).rows.tolist() == [0, 2]


@pytest.mark.parametrize("row", [-1, 3, 2**62])
def test_rows_of_nobody_are_refused(row):
    assert ranked(compiled_columns([b"a", b"b"]), [0, row], [0.5, 0.4], changed_items=1) is None


@pytest.mark.parametrize("category", [-1, 1, 2**31 - 1])
def test_categories_that_nobody_knows_are_refused(category):
    assert ranked(compiled_columns([b"a"], categories=[category]), [0], [0.5]) is None


def test_pages_do_not_share_memory():
    columns = compiled_columns([b"a", b"b"])
    first = ranked(columns, [0, 1], [0.5, 0.4])
    kept = [None if column is None else column.copy() for column in first]
    ranked(columns, [1, 0], [0.9, 0.1])
    assert all(np.array_equal(one, other) for one, other in zip(first, kept, strict=True) if one is not None)


def test_arrays_of_different_lengths_are_refused_by_name():
    with pytest.raises(ValueError, match="2 rows and 1 cosines"):
        ranked(compiled_columns([b"a", b"b"]), [0, 1], [0.5])


def test_whole_pages_are_the_same_with_and_without(filled_store, generation, pair):
    compiled, plain = pair
    for item in filled_store.items[::150]:
        row = compiled._live.row_of(item.item_id)
        if row is None or row >= len(generation.columns):
            continue
        query = Query(
            generation.columns.embeddings[row], 20, RankingPolicy(max_price_ratio=1.2), item.price, item.category_path,
            row=row,
        )  # fmt: skip
        recommender = [Recommender(one._live, generation.index) for one in (compiled, plain)]
        one, other = (each.recommend(query) for each in recommender)
        assert one.rows.tolist() == other.rows.tolist()
        # The kernel sums the numbers of a cosine in another order.
        np.testing.assert_allclose(one.scores, other.scores, rtol=0, atol=2e-7)
        assert one.price_ratios.tobytes() == other.price_ratios.tobytes()
