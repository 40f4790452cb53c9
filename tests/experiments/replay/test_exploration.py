"""Chance in the order of pages: exactly as much as it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruiji_experiments.errors import SettingsError
from ruiji_experiments.replay.exploration import Exploration, explore, propensities


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 30), st.floats(0.01, 1.0), st.integers(2, 12), st.integers(0, 10_000))
def test_every_item_stays_on_the_page_and_in_its_window(length, share, window, seed):
    order, chances = explore(length, Exploration(share, window), np.random.default_rng(seed))
    assert sorted(order) == list(range(length))
    assert (order // window == np.arange(length) // window).all()
    assert chances.dtype == np.float32
    assert ((chances > 0) & (chances <= 1 + 1e-6)).all()


@pytest.mark.parametrize(("length", "window"), [(4, 4), (5, 3), (6, 2)])
def test_propensities_are_the_frequencies_with_which_items_stand_where_they_stand(length, window):
    exploration, rng = Exploration(0.4, window), np.random.default_rng(0)
    seen = np.zeros((length, length))
    said = np.full((length, length), np.nan)
    for _ in range(20_000):
        order, chances = explore(length, exploration, rng)
        seen[order, np.arange(length)] += 1 / 20_000
        said[order, np.arange(length)] = chances
    assert np.nan_to_num(said) == pytest.approx(seen, abs=0.015)
    assert np.nansum(said, axis=0) == pytest.approx(1, abs=1e-6), "somebody stands at every position"
    assert np.nansum(said, axis=1) == pytest.approx(1, abs=1e-6), "every item stands somewhere"


def test_an_item_alone_in_its_window_stands_for_certain():
    assert propensities(np.arange(3), Exploration(0.5, 2)).tolist() == [0.75, 0.75, 1.0]


def test_the_same_seed_explores_alike():
    first, second = (explore(10, Exploration(1.0), np.random.default_rng(3))[0].tolist() for _ in range(2))
    assert first == second != list(range(10))


@pytest.mark.parametrize("wrong", [{"share": 0.0}, {"share": 1.1}, {"window": 1}])
def test_what_explores_nothing_is_refused(wrong):
    with pytest.raises(SettingsError):
        Exploration(**wrong)
