"""Which items are compared with a query, and which of them are nearest, as plain Python would have it."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruiji_server.domain.items import ItemState
from ruiji_server.index import exact
from ruiji_server.kernels import comparing
from ruiji_server.kernels.columns import EligibleItems
from ruiji_server.kernels.comparing import CompiledNeighbours, Meeting, nearest_among
from ruiji_server.kernels.nearest import NO_NEIGHBOUR

from tests.support.compiled import compiled_columns

NONE = int(NO_NEIGHBOUR)
EVERY_PRICE = EligibleItems(ItemState.ON_SALE, 0, 0, 2**62, -1)


def ids(items: int) -> list[bytes]:
    return [b"%04d" % number for number in range(items)]


def whole_numbers(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Vectors whose products are exact in whatever order they are summed, and of which many are equal."""
    return rng.integers(-3, 4, shape).astype(np.float32)


@given(st.integers(1, 300), st.sampled_from([1, 2, 15, 16, 17, 128]), st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_the_nearest_are_those_of_numpy(items, dimensions, most, seed):
    rng = np.random.default_rng(seed)
    embeddings, query = whole_numbers(rng, items, dimensions), whole_numbers(rng, dimensions)
    others = rng.permutation(items)[: rng.integers(items + 1)]
    found = nearest_among(compiled_columns(ids(items), embeddings=embeddings), others.astype(np.uint32), query, most)
    rows, cosines = exact.nearest_among(embeddings, others, query, most)
    assert found is not None
    assert found.rows.tolist() == rows.tolist()
    assert found.cosines.tolist() == cosines.tolist()


def test_what_is_not_there_is_not_compared():
    columns, query = compiled_columns(ids(3)), np.zeros(2, np.float32)
    assert nearest_among(columns, np.array([0, 3], np.uint32), query, 1) is None
    assert nearest_among(columns, np.array([0, NONE], np.uint32), query, 1) is None
    assert nearest_among(columns, np.array([0], np.uint32), np.zeros(3, np.float32), 1) is None


def met_one_by_one(table, prices, hidden, row, low, high, enough) -> list[int]:
    """Return an item's neighbours and theirs, each once, until there are enough."""
    met: list[int] = []
    for whose in (row, *(other for other in table[row] if other != NONE)):
        if len(met) >= enough:
            break
        for other in islice(table[whose], None):
            inside = other != NONE and low <= prices[other] <= high and not hidden[other]
            if inside and other != row and other not in met:
                met.append(other)
    return met


@given(st.integers(2, 60), st.integers(1, 12), st.integers(1, 100), st.booleans(), st.integers(0, 2**32 - 1))
def test_neighbours_of_neighbours_are_met_once_and_in_their_order(items, width, enough, has_changes, seed):
    rng = np.random.default_rng(seed)
    table = np.full((items, width), NONE, np.uint32)
    for row in range(items):
        others = rng.permutation(np.delete(np.arange(items), row))[: rng.integers(width + 1)]
        table[row, : len(others)] = others
    prices, hidden = rng.integers(1, 20, items), rng.random(items) < 0.2
    columns = compiled_columns(ids(items), prices_minor=prices.tolist())
    neighbours = CompiledNeighbours(columns, table, None, hidden)
    low, high = sorted(rng.integers(0, 21, 2).tolist())
    row = int(rng.integers(items))
    found = neighbours.second(
        row, EVERY_PRICE._replace(low_minor=low, high_minor=high), enough, has_changes=has_changes
    )
    hidden_now = hidden if has_changes else np.zeros(items, bool)
    assert found is not None
    assert found.tolist() == met_one_by_one(table.tolist(), prices, hidden_now, row, low, high, enough)


@pytest.mark.parametrize("row", [-1, 4, 2**62])
def test_an_item_of_nobody_meets_none(row):
    neighbours = CompiledNeighbours(compiled_columns(ids(4)), np.zeros((4, 2), np.uint32), None, np.zeros(4, bool))
    assert neighbours.second(row, EVERY_PRICE, 10, has_changes=False) is None


@pytest.mark.parametrize("table", [[[1, 2], [0, 0], [0, 0]], [[1, 1], [3, 0], [0, 0]], [[7, 1], [0, 0], [0, 0]]])
def test_neighbours_of_nobody_are_refused(table):
    neighbours = CompiledNeighbours(compiled_columns(ids(3)), np.array(table, np.uint32), None, np.zeros(3, bool))
    found = neighbours.second(0, EVERY_PRICE, 10, has_changes=False)
    assert (found is None) == (np.max(table) > 2)


def test_arrays_of_another_generation_are_refused_by_name():
    columns, cosines = compiled_columns(ids(4)), np.zeros((4, 1), np.float32)
    for rows, of_them, hidden in ((3, cosines, 4), (4, cosines[:3], 4), (4, cosines, 3), (3, None, 4)):
        with pytest.raises(ValueError, match="neighbours"):
            CompiledNeighbours(columns, np.zeros((rows, 1), np.uint32), of_them, np.zeros(hidden, bool))


def test_without_kernels_nothing_is_prepared(monkeypatch):
    columns = compiled_columns(ids(4))
    monkeypatch.setattr(comparing, "KERNELS", None)
    with pytest.raises(ValueError, match="no kernels"):
        CompiledNeighbours(columns, np.zeros((4, 1), np.uint32), None, np.zeros(4, bool))
    with pytest.raises(ValueError, match="no kernels"):
        Meeting(1)
    with pytest.raises(ValueError, match="no kernels"):
        nearest_among(columns, np.zeros(1, np.uint32), np.zeros(2, np.float32), 1)
