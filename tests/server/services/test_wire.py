"""Items that were written in the wire format are, byte for byte, those that protobuf would have made."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruiji.v1 import recommendation_pb2 as pb
from ruiji_server.kernels.columns import Tags
from ruiji_server.ranking.query import Page, Trace
from ruiji_server.services.wire import add_items, tags_in

from tests.support.compiled import compiled_changes, compiled_columns

FLOATS = st.floats(width=32, allow_nan=False)
ITEMS = st.lists(st.tuples(st.text(min_size=1, max_size=42), FLOATS, FLOATS, st.floats(1.0, 1e15), FLOATS), max_size=30)
TRACE = Trace(0, 0, 0, 0, 0, widenings=0, exact_scan=False, from_table=False, search_us=0, rank_us=0)


class Ids:
    """Stands for the columns: row n has the n-th id."""

    def __init__(self, item_ids: list[str], *, compiled: bool) -> None:
        self._item_ids = item_ids
        self._compiled = compiled_columns([one.encode() for one in item_ids]) if compiled else None

    def write_items(self, rows: np.ndarray, tags: Tags, *numbers: np.ndarray | None) -> bytes | None:
        if self._compiled is None:
            return None
        return self._compiled.write_items(compiled_changes(self._compiled, []), rows, tags, *numbers)

    def item_ids_utf8(self, rows: np.ndarray) -> list[bytes]:
        return [self._item_ids[row].encode() for row in rows.tolist()]


@pytest.mark.parametrize("compiled", [True, False])
@given(items=ITEMS, with_ratio=st.booleans(), with_category=st.booleans(), with_propensity=st.booleans())
def test_they_are_what_protobuf_makes_of_the_same_values(compiled, items, with_ratio, with_category, with_propensity):
    ids, scores, cosines, ratios, categories = map(list, zip(*items, strict=True)) if items else ([], [], [], [], [])
    page = Page(
        rows=np.arange(len(ids)),
        scores=np.array(scores, dtype=np.float32),
        cosines=np.array(cosines, dtype=np.float32),
        price_ratios=np.array(ratios, dtype=np.float64) if with_ratio else None,
        category_similarities=np.array(categories, dtype=np.float32) if with_category else None,
        exhausted=False,
        trace=TRACE,
        propensities=np.linspace(0.1, 1.0, len(ids), dtype=np.float32) if with_propensity else None,
    )
    expected = [
        pb.SimilarItem(
            item_id=ids[n],
            score=page.scores[n],
            cosine=page.cosines[n],
            price_ratio=page.price_ratios[n] if with_ratio else None,
            category_similarity=page.category_similarities[n] if with_category else None,
            propensity=page.propensities[n] if with_propensity else None,
        )
        for n in range(len(ids))
    ]
    for kind in (pb.SimilarItemsResponse, pb.SimilarItemsOutcome):
        answer, wanted = kind(catalogue_exhausted=True), kind(catalogue_exhausted=True, items=expected)
        add_items(answer, page, Ids(ids, compiled=compiled))
        assert answer == wanted
        assert answer.SerializeToString(deterministic=True) == wanted.SerializeToString(deterministic=True)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("length", [1, 99, 100, 101, 105, 106, 127, 128])
def test_ids_of_every_length_pass(length, compiled):
    """Around 127 bytes the lengths need a second byte."""
    page = Page(np.zeros(1, dtype=np.int64), np.ones(1, np.float32), np.ones(1, np.float32), None, None, False, TRACE)
    answer = pb.SimilarItemsResponse()
    add_items(answer, page, Ids(["x" * length], compiled=compiled))
    assert answer.items[0] == pb.SimilarItem(item_id="x" * length, score=1, cosine=1)


def test_ids_are_read_from_the_columns_as_one_by_one(generation):
    columns = generation.columns
    rows = np.array([0, len(columns) - 1, 7, 7, 0])
    assert [item_id.decode() for item_id in columns.item_ids_utf8(rows)] == [columns.item_id(row) for row in rows]
    assert columns.item_ids_utf8(np.empty(0, dtype=np.int64)) == []


def write(columns, rows, changed=()):
    numbers = np.ones(len(rows), np.float32)
    tags = tags_in(pb.SimilarItemsResponse.DESCRIPTOR)
    pointers = compiled_changes(columns, changed)
    return columns.write_items(pointers, np.array(rows, np.int64), tags, numbers, numbers, None, None, None)


def test_changed_items_stand_among_the_generations():
    written = write(compiled_columns([b"one", b"two"]), [2, 0, 3], changed=[b"new", "新しい".encode()])
    assert [item.item_id for item in pb.SimilarItemsResponse.FromString(written).items] == ["new", "one", "新しい"]


@pytest.mark.parametrize("row", [-1, 3, 2**62])
def test_rows_of_nobody_are_refused(row):
    assert write(compiled_columns([b"one", b"two"]), [0, row], changed=[b"new"]) is None


def test_damaged_ends_of_ids_are_refused():
    columns = compiled_columns([b"one", b"two"])
    assert write(columns, [0, 1]) is not None
    columns.pointers.ids_bytes = 5
    assert write(columns, [0]) is not None
    assert write(columns, [0, 1]) is None


def test_ids_longer_than_any_are_left_to_numpy():
    """They would not fit where items are written."""
    assert write(compiled_columns([b"x" * 1_100]), [0]) is None
