"""Who won: credits by hand, tests that agree with each other and with SciPy, and sizes that keep their promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruiji_experiments.errors import SettingsError
from ruiji_experiments.interleaving.credit import Votes, preference, unit_credits, votes_of
from ruiji_experiments.interleaving.resampling import bootstrap_preference
from ruiji_experiments.interleaving.sample_size import InterleavedPlan, interleaved_units_needed, sign_test_power
from ruiji_experiments.interleaving.team_draft import FIRST, NEITHER, SECOND
from scipy import stats


def votes(units: list[int], teams: list[int], tapped: list[int]) -> Votes:
    return votes_of(*unit_credits(np.array(units), np.array(teams, np.int8), np.array(tapped, bool)))


def test_credit_by_hand():
    units = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    found = preference(votes(units, [FIRST, SECOND] * 5, [0, 1, 0, 1, 1, 0, 1, 1, 0, 0]))
    assert found.votes == Votes(wins=2, losses=1, ties=1, silent=1)
    assert (found.votes.decided, found.votes.units) == (3, 5)
    assert found.preference == pytest.approx(1 / 3)
    assert found.delta == pytest.approx((2 + 1 / 2) / 4 - 1 / 2)
    assert found.p_value == 1.0
    assert found.low < 0 < found.high


def test_a_unit_counts_once_however_much_it_taps():
    units = np.repeat([0, 1, 2], [50, 1, 1]).tolist()
    teams = np.repeat([SECOND, FIRST, FIRST], [50, 1, 1]).tolist()
    assert votes(units, teams, [1] * 52).losses == 2


def test_taps_on_what_neither_picked_are_nobodys():
    assert votes([0, 0, 1], [NEITHER, NEITHER, SECOND], [1, 1, 1]) == Votes(1, 0, 0, 1)


def test_nobody_tapped_is_no_preference():
    found = preference(votes([0, 1], [FIRST, SECOND], [0, 0]))
    assert (found.preference, found.low, found.high, found.p_value) == (0.0, -1.0, 1.0, 1.0)
    assert (found.delta, found.delta_low, found.delta_high) == (0.0, -0.5, 0.5)


VOTES = st.builds(Votes, *(st.integers(0, 60) for _ in range(4)))


@given(VOTES)
def test_exchanging_the_rankings_turns_everything_round(found):
    here, there = preference(found), preference(Votes(found.losses, found.wins, found.ties, found.silent))
    assert here.p_value == pytest.approx(there.p_value)
    assert (here.preference, here.delta) == (-there.preference, -there.delta)
    assert here.low == pytest.approx(-there.high)
    assert here.delta_low == pytest.approx(-there.delta_high)
    assert here.low <= here.preference <= here.high
    assert here.delta_low <= here.delta <= here.delta_high


@given(VOTES)
def test_the_interval_and_the_sign_test_never_contradict_each_other(found):
    judged = preference(found)
    # Both are exact, of the same binomial distribution.
    assert (judged.p_value < 0.05) is (judged.low > 0 or judged.high < 0)


def test_the_bootstrap_is_that_of_scipy_over_units():
    found = Votes(wins=90, losses=60, ties=30, silent=220)
    outcomes = np.repeat([1, -1, 0], [90, 60, 250])

    def statistic(drawn: np.ndarray, axis: int) -> np.ndarray:
        return drawn.sum(axis=axis) / np.abs(drawn).sum(axis=axis)

    direct = stats.bootstrap(
        (outcomes,), statistic, n_resamples=8_000, method="percentile", rng=np.random.default_rng(0), batch=500
    ).confidence_interval
    ours = bootstrap_preference(found, confidence=0.95, resamples=8_000, rng=np.random.default_rng(1))
    assert ours == pytest.approx((direct.low, direct.high), abs=0.01)
    exact = preference(found)
    assert ours == pytest.approx((exact.low, exact.high), abs=0.02)
    assert bootstrap_preference(Votes(0, 0, 5, 5), confidence=0.95, resamples=10, rng=np.random.default_rng(0)) is None


@pytest.mark.parametrize(("wins", "decided"), [(0.6, 50), (0.55, 400), (0.5, 80)])
def test_the_power_of_the_sign_test_is_how_often_it_finds(wins, decided):
    drawn = stats.binom.pmf(np.arange(decided + 1), decided, wins)
    found = [stats.binomtest(number, decided).pvalue < 0.05 for number in range(decided + 1)]
    assert sign_test_power(decided, wins) == pytest.approx(float(drawn[found].sum()))


def test_a_size_has_the_power_that_was_asked_for_and_one_unit_in_ten_fewer_has_not():
    plan = InterleavedPlan(preference=0.2, decided_share=0.5)
    units = interleaved_units_needed(plan)
    assert sign_test_power(units // 2, 0.6) >= 0.8
    assert sign_test_power(int(units * 0.45), 0.6) < 0.8
    assert interleaved_units_needed(InterleavedPlan(-0.2, 0.5)) == units
    assert interleaved_units_needed(InterleavedPlan(0.2, 0.25)) == 2 * units


@pytest.mark.parametrize(("preferred", "decided"), [(0.0, 0.5), (1.0, 0.5), (0.1, 0.0), (0.1, 1.1)])
def test_a_size_of_nothing_is_refused(preferred, decided):
    with pytest.raises(SettingsError):
        interleaved_units_needed(InterleavedPlan(preferred, decided))
