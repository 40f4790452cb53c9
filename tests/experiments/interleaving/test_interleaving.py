"""Team draft and its credit: fair to both rankings, and quicker than an A/B test."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruiji_experiments.interleaving.credit import preference
from ruiji_experiments.interleaving.team_draft import FIRST, SECOND, team_draft
from ruiji_experiments.simulation.sensitivity import Comparison, sensitivity
from scipy import stats

RANKINGS = st.lists(st.integers(0, 30), unique=True, max_size=12)


@settings(max_examples=60, deadline=None)
@given(RANKINGS, RANKINGS, st.integers(0, 12), st.integers(0, 1_000))
def test_a_page_is_picked_in_turns_each_its_best_that_is_left(first, second, length, seed):
    page = team_draft(first, second, length, np.random.default_rng(seed))
    assert len(set(page.items.tolist())) == len(page.items) == min(length, len({*first, *second}))
    taken = set()
    for item, team in zip(page.items.tolist(), page.teams.tolist(), strict=True):
        ranking = (first, second)[team]
        assert item == next(one for one in ranking if one not in taken)
        taken.add(item)
    enough = min(len(first), len(second)) >= length
    if enough and length % 2 == 0:
        assert (page.teams == FIRST).sum() == (page.teams == SECOND).sum()


def test_each_round_is_started_by_a_coin():
    rng = np.random.default_rng(0)
    firsts = [team_draft([0, 1], [2, 3], 1, rng).teams[0] for _ in range(2_000)]
    assert stats.binomtest(int(np.sum(firsts)), 2_000).pvalue > 0.01


def test_two_equal_rankings_make_their_own_page():
    assert team_draft([3, 1, 2], [3, 1, 2], 3, np.random.default_rng(1)).items.tolist() == [3, 1, 2]


def test_credit_by_hand():
    units = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    teams = np.array([FIRST, SECOND] * 4, np.int8)
    tapped = np.array([0, 1, 0, 1, 1, 0, 1, 1], bool)
    found = preference(units, teams, tapped)
    assert (found.wins, found.losses, found.ties) == (2, 1, 1)
    assert found.preference == pytest.approx(1 / 3)
    assert found.p_value == 1.0
    assert found.low < 0 < found.high


def test_a_unit_counts_once_however_much_it_taps():
    units = np.repeat([0, 1, 2], [50, 1, 1])
    teams = np.repeat([SECOND, FIRST, FIRST], [50, 1, 1]).astype(np.int8)
    assert preference(units, teams, np.ones(52, bool)).losses == 2


def test_nobody_tapped_is_no_preference():
    found = preference(np.array([0, 1]), np.array([FIRST, SECOND], np.int8), np.zeros(2, bool))
    assert (found.preference, found.low, found.high, found.p_value) == (0.0, -1.0, 1.0, 1.0)


def test_it_finds_with_the_same_units_what_an_ab_test_mostly_misses():
    found = sensitivity(Comparison(units=150), experiments=60, rng=np.random.default_rng(0))
    assert found.interleaving_right > found.ab_test_right + 0.25


def test_it_finds_nothing_where_there_is_nothing():
    found = sensitivity(Comparison(units=100, category_weight=0.0), experiments=60, rng=np.random.default_rng(1))
    assert found.interleaving < 0.15
