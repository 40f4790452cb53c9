"""Whole pages by one call: what is refused, and that nothing out of place is believed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ruiji.v1 import recommendation_pb2 as pb
from ruiji_server.columns.neighbours import NO_NEIGHBOUR
from ruiji_server.domain.items import ItemState
from ruiji_server.kernels.answering import Choice, Remarks
from ruiji_server.kernels.comparing import CompiledNeighbours
from ruiji_server.kernels.listed import CompiledCatalogue, Wanted
from ruiji_server.services.wire import tags_in

from tests.support.answering import OPENING, answering_by, parsed, request_for
from tests.support.compiled import compiled_changes, compiled_columns

TAGS = tags_in(pb.SimilarItemsResponse.DESCRIPTOR)
NONE = int(NO_NEIGHBOUR)
IDS = [b"a", b"b", b"c", b"d"]
EMBEDDINGS = np.array([[1, 0], [0.6, 0.8], [0.8, 0.6], [0, 1]], np.float32)


BEYOND = {"scanned_at_most": 0, "met_enough": 8, "met_least": 8, "moved_at_most": 1.4}
"""Nothing is compared where the neighbours do not suffice."""


def wanted(page_size=2, pool_size=2, numerator=2, denominator=1, *, is_narrower=False, **beyond) -> Wanted:
    return Wanted(
        page_size, pool_size, numerator, denominator, is_narrower=is_narrower, on_sale=ItemState.ON_SALE,
        cosine_weight=1.0, category_weight=0.0, tags=TAGS, **{**BEYOND, **beyond},
    )  # fmt: skip


def page(
    neighbours,
    cosines,
    wishes=None,
    *,
    own_slot=0,
    hidden=(),
    changed=(),
    prices=None,
    similarities=(1.0,),
    **given,
):
    """Return ids on the page of the first item, and whether the catalogue is exhausted; None if it is refused."""
    columns = compiled_columns(IDS, prices_minor=prices, embeddings=EMBEDDINGS)
    hidden_rows = np.isin(np.arange(len(IDS)), hidden)
    listed = neighbours if isinstance(neighbours[0], list) else [neighbours] * len(IDS)
    cosines = np.array([cosines] * len(IDS), np.float32)
    own_slots = np.array([own_slot, 0, 0, 0], np.int32)
    changes = compiled_changes(columns, changed, hidden=hidden_rows, own_slots=own_slots, **given)
    changes.stand(len(changed), len(similarities), has_changes=bool(hidden or changed))
    neighbours = CompiledNeighbours(columns, np.array(listed, np.uint32), cosines, hidden_rows)
    catalogue = CompiledCatalogue(columns, neighbours, changes, lambda _: np.array(similarities, np.float32))
    remarks: list[Remarks] = []
    answering = answering_by([Choice(math.inf, catalogue, wishes or wanted(), OPENING)], remarks)
    answer = parsed(answering.answer(request_for("a")))
    if answer is None:
        return None
    is_scanned = wishes is not None and wishes.scanned_at_most >= len(IDS)
    is_short = len(answer.items) < (wishes or wanted()).page_size
    said = Remarks.EXACT_SCAN * is_scanned | Remarks.SHORT * is_short
    assert remarks == ([Remarks(said)] if said else [])
    return [item.item_id for item in answer.items], answer.catalogue_exhausted


def test_the_nearest_fill_the_page():
    assert page([2, 1, 3], [0.9, 0.8, 0.7]) == (["c", "b"], False)


def test_a_row_that_ends_is_the_whole_catalogue():
    assert page([2, NONE, NONE], [0.9, 0, 0]) == (["c"], True)
    assert page([2, 1, NONE], [0.9, 0.8, 0]) == (["c", "b"], True)
    assert page([NONE, NONE, NONE], [0, 0, 0]) == ([], True)


def test_a_full_row_of_which_too_few_are_left_says_nothing():
    assert page([2, 1], [0.9, 0.8]) is None, "a third may be eligible"
    assert page([2, 1, 3], [0.9, 0.8, 0.7], hidden=[2]) is None
    assert page([2, 1, 3], [0.9, 0.8, 0.7], wanted(pool_size=3), hidden=[2]) is None


def test_then_a_small_band_is_compared_as_a_whole():
    scanned = wanted(scanned_at_most=4)
    assert page([2, 1], [0.9, 0.8], scanned) == (["c", "b"], False)
    assert page([2, 1], [0.9, 0.8], wanted(3, 3, scanned_at_most=4)) == (["c", "b", "d"], True)
    assert page([2, 1], [0.9, 0.8], scanned, hidden=[2]) == (["b", "d"], True)
    assert page([2, 1], [0.9, 0.8], scanned, changed=[b"new"]) == (["c", "b"], False)
    inside = [100, 300, 60, 100]
    assert page([2, 3], [0.9, 0.1], scanned, prices=inside) == (["c", "d"], True), "only what is in the band"


def test_in_a_larger_one_the_neighbours_are_asked_for_theirs():
    listed = [[2, 2], [0, 0], [1, 3], [0, 0]]
    assert page(listed, [0.8, 0.8], wanted(met_enough=8, met_least=3)) == (["c", "b"], False)
    assert page(listed, [0.8, 0.8], wanted(met_enough=8, met_least=4)) is None, "three are met"
    assert page(listed, [0.8, 0.8], wanted(met_enough=8, met_least=2), hidden=[2]) == (["b", "d"], True)
    assert page([[2, 2], [0, 0], [4, 3], [0, 0]], [0.8, 0.8], wanted(met_enough=8, met_least=1)) is None, "of nobody"


def test_hidden_rows_have_no_page_and_are_on_none():
    assert page([2, 1, NONE], [0.9, 0.8, 0], hidden=[0]) is None
    assert page([2, 1, NONE], [0.9, 0.8, 0], hidden=[2]) == (["b"], True)


def priced(*prices):
    return {"prices_minor": np.array(prices)}


def test_an_item_that_changed_has_the_neighbours_that_it_had():
    listed = [2, 1, NONE], [0.9, 0.8, 0]
    assert page(*listed, own_slot=1, hidden=[0], changed=[b"a"]) == (["c", "b"], True), "and is not on its own page"
    assert page(*listed, own_slot=2, hidden=[0], changed=[b"new", b"a"]) == (["c", "b"], False)
    assert page(*listed, own_slot=0, hidden=[0], changed=[b"a"]) is None, "it has another embedding now"
    assert page(*listed, own_slot=2, hidden=[0], changed=[b"a"]) is None, "of nobody"
    other = {"currencies": np.ones(1, np.int32)}
    assert page(*listed, own_slot=1, hidden=[0], changed=[b"a"], **other) is None, "in another currency"


@pytest.mark.parametrize(("price", "ids"), [(72, ["d", "b"]), (140, ["c", "b"]), (71, None), (141, None)])
def test_if_its_price_moved_a_little_its_new_band_is_compared(price, ids):
    found = page(
        [2, 1, NONE], [0.9, 0.8, 0], wanted(scanned_at_most=4), own_slot=1, hidden=[0], changed=[b"a"],
        prices=[100, 100, 210, 65], **priced(price),
    )  # fmt: skip
    assert found == (None if ids is None else (sorted(ids, key=["c", "b", "d"].index), True))


def test_changed_items_come_in():
    assert page([2, 1, NONE], [0.9, -0.8, 0], changed=[b"new"]) == (["c", "new"], False)


@pytest.mark.parametrize(("price", "inside"), [(49, False), (50, True), (200, True), (201, False)])
def test_a_narrower_band_takes_its_bounds_in(price, inside):
    found = page([1, NONE], [0.9, 0], wanted(is_narrower=True), prices=[100, price, 100, 100])
    assert found == ((["b"] if inside else []), True)


def test_the_highest_prices_do_not_overflow():
    most = 2**63 - 1
    assert page([1, NONE], [0.9, 0], wanted(1, 1, most, most - 1, is_narrower=True), prices=[most] * 4) == (["b"], True)


def test_neighbours_that_are_nobody_are_refused():
    assert page([2, 4, NONE], [0.9, 0.8, 0]) is None


def test_a_category_that_nobody_knows_is_refused():
    assert page([2, 1, NONE], [0.9, 0.8, 0], similarities=()) is None


def test_what_64_bits_cannot_hold_is_refused():
    assert page([2, 1, NONE], [0.9, 0.8, 0], wanted(numerator=2**63)) is None


def test_neighbours_without_cosines_are_refused():
    columns = compiled_columns(IDS)
    neighbours = CompiledNeighbours(columns, np.zeros((4, 1), np.uint32), None, np.zeros(4, bool))
    with pytest.raises(ValueError, match="without cosines"):
        CompiledCatalogue(columns, neighbours, compiled_changes(columns, []), lambda _: np.ones(1, np.float32))
