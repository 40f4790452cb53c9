"""What differs between two pages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from ruiji_console.comparing import Difference, Place, compare

PAGES = st.lists(st.sampled_from("abcdefghij"), unique=True, max_size=8)


def test_what_moved_is_new_or_gone_is_marked() -> None:
    compared = compare(["a", "b", "c", "d"], ["a", "d", "e", "b"])
    assert compared.left == (
        Place("a", 1, Difference.SAME),
        Place("b", 2, Difference.DOWN, 2),
        Place("c", 3, Difference.GONE),
        Place("d", 4, Difference.UP, 2),
    )
    assert compared.right == (
        Place("a", 1, Difference.SAME),
        Place("d", 2, Difference.UP, 2),
        Place("e", 3, Difference.NEW),
        Place("b", 4, Difference.DOWN, 2),
    )
    assert (compared.shared, compared.overlap) == (3, 0.75)


def test_two_empty_pages_are_alike() -> None:
    assert compare([], []).overlap == 1.0


@given(PAGES, PAGES)
def test_both_pages_say_the_same_of_an_item(left: list[str], right: list[str]) -> None:
    compared = compare(left, right)
    assert [place.item_id for place in compared.left] == left
    assert [place.item_id for place in compared.right] == right
    on_left = {place.item_id: place for place in compared.left}
    for place in compared.right:
        if place.difference == Difference.NEW:
            assert place.item_id not in on_left
        else:
            assert on_left[place.item_id].difference == place.difference
            assert abs(on_left[place.item_id].position - place.position) == place.moved
    assert compared.count(Difference.NEW) == len(right) - compared.shared
    assert compared.count(Difference.GONE) == len(left) - compared.shared


@given(PAGES, PAGES)
def test_swapping_the_pages_swaps_the_marks(left: list[str], right: list[str]) -> None:
    there, back = compare(left, right), compare(right, left)
    for mark, other in ((Difference.UP, Difference.DOWN), (Difference.NEW, Difference.GONE)):
        assert there.count(mark) == back.count(other)
