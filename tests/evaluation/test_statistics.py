"""Intervals and p-values agree with SciPy's, and mean what they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruiji_evaluation.comparison import ResamplingSettings, compare
from ruiji_evaluation.slices import Slicing
from ruiji_evaluation.statistics import bootstrap_means, holm_adjusted, percentile_interval, randomisation_p_values
from scipy import stats


def alone(count: int) -> np.ndarray:
    return np.arange(count)


def test_the_interval_is_scipys():
    values = np.random.default_rng(0).beta(2, 3, (400, 1))
    means = bootstrap_means(values, alone(400), 20_000, np.random.default_rng(1))
    low, high = percentile_interval(means, 0.95)
    expected = stats.bootstrap(
        (values[:, 0],), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert (low[0], high[0]) == pytest.approx((expected.low, expected.high), abs=1e-3)


def test_the_p_value_is_scipys():
    rng = np.random.default_rng(3)
    first = rng.random((80, 2))
    second = first + rng.normal([0.02, 0.0], 0.1, (80, 2))
    p_values = randomisation_p_values(second - first, alone(80), 20_000, np.random.default_rng(4))
    for column in range(2):
        expected = stats.permutation_test(
            (second[:, column], first[:, column]),
            lambda x, y: np.mean(x - y),
            permutation_type="samples",
            n_resamples=20_000,
            rng=np.random.default_rng(5),
        ).pvalue
        assert p_values[column] == pytest.approx(expected, abs=0.01)


def test_equal_encoders_differ_by_nothing():
    assert randomisation_p_values(np.zeros((50, 1)), alone(50), 200, np.random.default_rng(0)).tolist() == [1.0]


def test_intervals_cover_the_truth_as_often_as_they_claim():
    rng = np.random.default_rng(6)
    covered = 0
    for _ in range(400):
        means = bootstrap_means(rng.exponential(1.0, (150, 1)), alone(150), 400, rng)
        low, high = percentile_interval(means, 0.9)
        covered += bool(low[0] <= 1.0 <= high[0])
    assert 0.85 <= covered / 400 <= 0.94


def test_queries_of_one_user_are_no_independent_evidence():
    values = np.repeat(np.random.default_rng(7).random((40, 1)), 25, axis=0)
    one_by_one = bootstrap_means(values, alone(1000), 2_000, np.random.default_rng(8)).std()
    by_user = bootstrap_means(values, np.repeat(alone(40), 25), 2_000, np.random.default_rng(8)).std()
    assert by_user == pytest.approx(5 * one_by_one, rel=0.1)


def test_users_of_many_queries_weigh_by_their_queries():
    values = np.array([[1.0], [1.0], [1.0], [0.0]])
    means = bootstrap_means(values, np.array([0, 0, 0, 1]), 50, np.random.default_rng(0))
    assert set(np.round(means[:, 0], 6)) == {0.0, 0.75, 1.0}


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(p_values):
    adjusted = holm_adjusted(np.array(p_values))
    assert (adjusted >= np.array(p_values)).all()
    assert (adjusted <= 1).all()
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()


def test_holm_by_hand():
    assert holm_adjusted(np.array([0.01, 0.04, 0.03])).tolist() == pytest.approx([0.03, 0.06, 0.06])


SETTINGS = ResamplingSettings(resamples=500)


def test_a_comparison_reports_means_differences_and_slices():
    rng = np.random.default_rng(9)
    base = rng.random((200, 2))
    better = base + 0.05 + rng.normal(0, 0.02, (200, 2))
    halves = Slicing("half", ("first", "second"), np.repeat([0, 1], 100))
    found = compare({"base": base, "better": better}, "base", ("a", "b"), SETTINGS, slicings=[halves])
    assert found.figures["base"][1].mean == pytest.approx(base[:, 1].mean())
    [first, _] = found.differences["better"]
    assert first.absolute.low > 0.04
    assert first.absolute.high < 0.06
    assert first.relative is not None
    assert first.relative.mean == pytest.approx(better[:, 0].mean() / base[:, 0].mean() - 1)
    assert first.p_value < 0.01
    assert [(part.label, part.queries) for part in found.slices] == [("first", 100), ("second", 100)]
    assert found.slices[1].differences["better"].mean == pytest.approx((better - base)[100:, 0].mean())


def test_the_same_seed_gives_the_same_figures():
    values = {"a": np.random.default_rng(0).random((50, 1)), "b": np.random.default_rng(1).random((50, 1))}
    assert compare(values, "a", ("m",), SETTINGS) == compare(values, "a", ("m",), SETTINGS)
    assert compare(values, "a", ("m",), SETTINGS) != compare(values, "a", ("m",), ResamplingSettings(500, seed=1))


def test_nothing_is_relative_to_a_baseline_of_zero():
    values = {"base": np.zeros((10, 1)), "other": np.ones((10, 1))}
    assert compare(values, "base", ("m",), SETTINGS).differences["other"][0].relative is None
