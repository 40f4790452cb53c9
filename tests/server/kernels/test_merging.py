"""Changed items come among the candidates where their cosines say, or NumPy is left to it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruiji_server.domain.items import ItemState
from ruiji_server.kernels.columns import EligibleItems

from tests.support.compiled import compiled_changes, compiled_columns

ITEMS = 50
ANY = -1
EIGHTHS = st.integers(-8, 8).map(lambda eighths: eighths / 8)
"""Sums of their products are exact in every order."""
STATES = [0, ItemState.ON_SALE, ItemState.SOLD]


def merged(changed, eligible, rows, cosines, *, pool_size=100, vector=(1.0, 0.0), used=None):
    columns = compiled_columns([f"item-{row:02}".encode() for row in range(ITEMS)])
    pointers = compiled_changes(columns, [b"x"] * len(changed["embeddings"]), **changed)
    return columns.merge_changed(
        pointers, len(changed["states"]) if used is None else used, eligible, np.array(vector, np.float32),
        np.array(rows, np.int64), np.array(cosines, np.float32), pool_size,
    )  # fmt: skip


def changes(embeddings, *, states=None, prices=None, currencies=None):
    slots = len(embeddings)
    return {
        "categories": np.zeros(slots, np.int32),
        "prices_minor": np.array([100] * slots if prices is None else prices, np.int64),
        "currencies": np.array([0] * slots if currencies is None else currencies, np.int32),
        "states": np.array([ItemState.ON_SALE] * slots if states is None else states, np.uint8),
        "embeddings": np.array(embeddings, np.float32),
    }


ALL = EligibleItems(ItemState.ON_SALE, ANY, 0, 0, ANY)


@given(data=st.data(), dimensions=st.integers(1, 40), slots=st.integers(0, 20), pool_size=st.integers(1, 30))
def test_they_are_those_that_sorting_everything_gives(data, dimensions, slots, pool_size):
    draw = data.draw
    embeddings = np.array(draw(st.lists(EIGHTHS, min_size=slots * dimensions, max_size=slots * dimensions)))
    embeddings = embeddings.reshape(slots, dimensions)
    vector = np.array(draw(st.lists(EIGHTHS, min_size=dimensions, max_size=dimensions)))
    states = np.array(draw(st.lists(st.sampled_from(STATES), min_size=slots, max_size=slots)), dtype=int)
    prices = np.array(draw(st.lists(st.integers(1, 9), min_size=slots, max_size=slots)), dtype=int)
    currencies = np.array(draw(st.lists(st.integers(0, 1), min_size=slots, max_size=slots)), dtype=int)
    rows = draw(st.lists(st.integers(0, ITEMS - 1), max_size=pool_size, unique=True))
    cosines = np.sort(draw(st.lists(EIGHTHS, min_size=len(rows), max_size=len(rows))))[::-1]
    # With the summand none of these ties with a changed item.
    cosines = cosines + draw(st.sampled_from([0.0, 1 / 4096]))
    eligible = EligibleItems(
        ItemState.ON_SALE,
        draw(st.sampled_from([ANY, 0, 1])),
        draw(st.integers(1, 9)),
        draw(st.integers(1, 9)),
        draw(st.sampled_from([ANY, 3, ITEMS, ITEMS + 2])),
    )
    inside = (prices >= eligible.low_minor) & (prices <= eligible.high_minor) & (currencies == eligible.currency)
    wanted = states == ItemState.ON_SALE
    wanted &= inside if eligible.currency != ANY else np.ones(slots, dtype=bool)
    wanted &= np.arange(slots) + ITEMS != eligible.excluded_row
    changed_rows = np.flatnonzero(wanted) + ITEMS
    all_rows = np.concatenate((np.array(rows, int), changed_rows))
    all_cosines = np.concatenate((cosines, embeddings[wanted] @ vector)).astype(np.float32)
    order = np.argsort(-all_cosines, kind="stable")[:pool_size]
    given_to_it = changes(embeddings, states=states, prices=prices, currencies=currencies)
    found = merged(given_to_it, eligible, rows, cosines, pool_size=pool_size, vector=vector)
    of_changed = all_cosines[len(rows) :].tolist()
    ties = len(set(of_changed)) < len(of_changed) or not set(of_changed).isdisjoint(all_cosines[: len(rows)].tolist())
    assert found is not None or ties
    if found is not None:
        assert found.changed_eligible == len(changed_rows)
        assert found.cosines.tolist() == all_cosines[order].tolist()
        if not ties:
            assert found.rows.tolist() == all_rows[order].tolist()


def test_by_hand():
    changed = changes([[0.5, 0], [0.9, 0], [0.1, 0]])
    found = merged(changed, ALL, [7, 8], [0.8, 0.2], pool_size=4)
    assert found.rows.tolist() == [ITEMS + 1, 7, ITEMS, 8]
    assert found.cosines.tolist() == pytest.approx([0.9, 0.8, 0.5, 0.2])
    assert found.changed_eligible == 3


def test_a_tie_is_left_to_numpy():
    """The row of a changed item says nothing of its id."""
    assert merged(changes([[0.5, 0]]), ALL, [7], [0.5]) is None
    assert merged(changes([[0.5, 0], [0.5, 0]]), ALL, [7], [0.4]) is None


def test_slots_that_were_never_used_do_not_count():
    assert merged(changes([[0.5, 0], [0.9, 0]]), ALL, [], [], used=1).rows.tolist() == [ITEMS]


def test_more_slots_than_there_are_and_other_dimensions_are_refused():
    assert merged(changes([[0.5, 0]]), ALL, [], [], used=2) is None
    assert merged(changes([[0.5, 0]]), ALL, [], [], vector=(1.0, 0.0, 0.0)) is None
    assert merged(changes([[0.5, 0]]), ALL, [1, 2], [0.5, 0.4], pool_size=1) is None


def test_columns_of_different_lengths_are_refused_by_name():
    with pytest.raises(ValueError, match="2 slots"):
        compiled_changes(compiled_columns([b"a"]), [b"x", b"y"], states=np.zeros(1, np.uint8))
