"""Items are asked for as visitors would: skewed, reproducible, and only those that there are."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruiji_loadtest.popularity import ItemIdsError, ZipfPopularity, read_item_ids

HUNDRED = tuple(f"item-{number}" for number in range(100))


def draw(count: int, *, exponent: float, seed: int = 0, draws_seed: int = 0) -> list[str]:
    return ZipfPopularity(HUNDRED, exponent=exponent, seed=seed).draw(count, np.random.default_rng(draws_seed))


@given(ids=st.lists(st.text(min_size=1), min_size=1, max_size=50), exponent=st.floats(0, 20), seed=st.integers(0, 99))
def test_only_the_given_items_are_drawn(ids: list[str], exponent: float, seed: int) -> None:
    drawn = ZipfPopularity(ids, exponent=exponent, seed=seed).draw(200, np.random.default_rng(seed))
    assert len(drawn) == 200
    assert set(drawn) <= set(ids)


def test_shares_follow_the_law() -> None:
    """At exponent 1 the k-th of n items gets 1 / (k * H_n), with H_100 = 5.187."""
    shares = [count / 100_000 for _, count in Counter(draw(100_000, exponent=1.0)).most_common(3)]
    assert shares == pytest.approx([1 / 5.187, 1 / (2 * 5.187), 1 / (3 * 5.187)], rel=0.05)


def test_without_skew_all_items_are_alike() -> None:
    counts = Counter(draw(100_000, exponent=0.0))
    assert [counts[item] for item in HUNDRED] == [pytest.approx(1000, rel=0.15)] * 100


def test_the_popular_items_are_not_the_first_of_the_file() -> None:
    [(favourite, _)] = Counter(draw(10_000, exponent=1.5)).most_common(1)
    [(other, _)] = Counter(draw(10_000, exponent=1.5, seed=1)).most_common(1)
    assert len({favourite, other, HUNDRED[0]}) == 3


def test_users_who_draw_differently_still_agree_on_what_is_popular() -> None:
    first, second = (draw(10_000, exponent=1.5, draws_seed=user) for user in (1, 2))
    assert first != second
    assert Counter(first).most_common(1)[0][0] == Counter(second).most_common(1)[0][0]


def test_equal_seeds_draw_equal_items() -> None:
    assert draw(1000, exponent=1.0) == draw(1000, exponent=1.0)


def test_a_file_of_ids_is_read_one_a_line(tmp_path: Path) -> None:
    path = tmp_path / "ids.txt"
    path.write_text("a\n\n  赤い靴 \nc")
    assert read_item_ids(path) == ("a", "赤い靴", "c")


@pytest.mark.parametrize("content", [None, b"", b"\n \n", b"\xff\xfe"], ids=["absent", "empty", "blank", "not text"])
def test_a_file_without_ids_is_refused_by_name(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ids.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ItemIdsError, match=r"ids\.txt .*one a line"):
        read_item_ids(path)


def test_there_is_no_popularity_of_nothing() -> None:
    with pytest.raises(ItemIdsError, match="no item ids"):
        ZipfPopularity((), exponent=1.0, seed=0)
    with pytest.raises(ValueError, match="exponent is -1"):
        ZipfPopularity(HUNDRED, exponent=-1.0, seed=0)
