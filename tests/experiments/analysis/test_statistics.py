"""The statistics against other implementations of the same: statsmodels' clustered regressions, SciPy's tests."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from ruiji_experiments.analysis.assignment_check import check_assignment
from ruiji_experiments.analysis.bootstrap import bootstrap_lift
from ruiji_experiments.analysis.cuped import adjusted_lift, pre_period_covariate
from ruiji_experiments.analysis.multiplicity import corrected
from ruiji_experiments.analysis.quantile import log_quantile
from ruiji_experiments.analysis.ratio import lift, ratio_estimate
from ruiji_experiments.analysis.sample_size import Plan, deviation_of_binary_events, power_of, units_needed
from ruiji_experiments.analysis.sequential import always_valid_half_width, always_valid_p_value
from ruiji_experiments.errors import SettingsError
from ruiji_experiments.simulation.population import Population, draw_units, live
from scipy import integrate, stats
from statsmodels.stats.proportion import confint_proportions_2indep


def units_of(seed: int, units: int = 800, **lifts: float) -> tuple[np.ndarray, np.ndarray]:
    """Taps and impressions of simulated units, shape (units,) each."""
    rng = np.random.default_rng(seed)
    drawn = draw_units(Population(), 1, units, rng)
    days = live(Population(), drawn, 7, rng, first_day=np.zeros((1, units)), **lifts)
    return days.taps.sum(axis=-1)[0], days.impressions.sum(axis=-1)[0]


CONTROL, TREATMENT = units_of(1), units_of(2, ctr_lift=0.2)


def test_the_delta_method_is_a_poisson_regression_with_errors_clustered_by_unit():
    found = lift(ratio_estimate(*CONTROL), ratio_estimate(*TREATMENT))
    taps, shown = (np.concatenate(pair) for pair in zip(CONTROL, TREATMENT, strict=True))
    treated = np.repeat([0.0, 1.0], 800)
    fitted = sm.GLM(taps, sm.add_constant(treated), sm.families.Poisson(), exposure=shown).fit(
        cov_type="cluster", cov_kwds={"groups": np.arange(1600), "use_correction": False}
    )
    assert float(found.log_lift) == pytest.approx(fitted.params[1])
    # The regression divides by n, ours by n - 1.
    assert math.sqrt(found.variance) == pytest.approx(fitted.bse[1], rel=1e-3)


def test_with_one_impression_a_unit_it_is_the_interval_of_a_risk_ratio():
    rng = np.random.default_rng(3)
    taps = [rng.binomial(1, rate, 5_000).astype(float) for rate in (0.10, 0.12)]
    found = lift(*(ratio_estimate(arm, np.ones(5_000)) for arm in taps))
    low, high = confint_proportions_2indep(taps[1].sum(), 5_000, taps[0].sum(), 5_000, method="log", compare="ratio")
    assert found.interval(0.95) == pytest.approx((low - 1, high - 1), abs=2e-3)


def test_delta_method_and_bootstrap_agree():
    found = lift(ratio_estimate(*CONTROL), ratio_estimate(*TREATMENT))
    low, high = found.interval(0.95)
    resampled = bootstrap_lift(CONTROL, TREATMENT, confidence=0.95, resamples=2_000, rng=np.random.default_rng(0))
    assert resampled == pytest.approx((float(low), float(high)), abs=0.1 * float(high - low))


def test_impressions_of_one_unit_are_no_independent_evidence():
    many = ratio_estimate(*CONTROL)
    naive = (1 - many.value) / CONTROL[0].sum()
    assert many.log_variance > 1.5 * naive


@settings(max_examples=60, deadline=None)
@given(st.floats(0.01, 0.999), st.integers(0, 50))
def test_the_interval_excludes_no_lift_when_the_p_value_is_small(confidence, seed):
    found = lift(ratio_estimate(*units_of(seed, 60)), ratio_estimate(*units_of(seed + 100, 60, ctr_lift=0.5)))
    low, high = found.interval(confidence)
    assert (low > 0 or high < 0) == (found.p_value() < 1 - confidence)


def test_nothing_is_relative_to_nothing():
    nobody_tapped = ratio_estimate(np.zeros(10), np.ones(10))
    assert not np.isfinite(lift(nobody_tapped, nobody_tapped).log_lift)


def test_experiments_are_computed_side_by_side_as_one_by_one():
    taps, shown = (np.stack([units_of(seed, 100)[part] for seed in range(4)]) for part in (0, 1))
    together = lift(ratio_estimate(taps[:2], shown[:2]), ratio_estimate(taps[2:], shown[2:]))
    alone = lift(ratio_estimate(taps[1], shown[1]), ratio_estimate(taps[3], shown[3]))
    assert together.log_lift[1] == pytest.approx(float(alone.log_lift))
    assert together.p_value()[1] == pytest.approx(float(alone.p_value()))


def test_cuped_of_a_mean_is_the_regression_on_the_pre_period():
    rng = np.random.default_rng(5)
    past = rng.normal(10, 3, (2, 3_000))
    now = past + rng.normal(0, 1.5, past.shape)
    ones = np.ones(3_000)
    covariate = pre_period_covariate(past.ravel(), np.ones(6_000)).reshape(2, -1)
    arms = [ratio_estimate(now[arm], ones) for arm in (0, 1)]
    found = adjusted_lift(*arms, *covariate)
    treated = np.repeat([0.0, 1.0], 3_000)
    fitted = sm.OLS(now.ravel(), sm.add_constant(np.column_stack([treated, past.ravel()]))).fit(cov_type="HC1")
    mean = now[0].mean()
    assert float(found.lift.log_lift) == pytest.approx(fitted.params[1] / mean, abs=2e-4)
    assert math.sqrt(found.lift.variance) == pytest.approx(fitted.bse[1] / mean, rel=0.01)
    correlation = np.corrcoef(past.ravel(), now.ravel())[0, 1]
    assert float(found.variance_kept) == pytest.approx(1 - correlation**2, abs=0.02)


def test_without_a_past_cuped_changes_nothing():
    arms = [ratio_estimate(*arm) for arm in (CONTROL, TREATMENT)]
    nothing = pre_period_covariate(np.zeros(1_600), np.zeros(1_600))
    found = adjusted_lift(*arms, nothing[:800], nothing[800:])
    assert float(found.lift.log_lift) == float(lift(*arms).log_lift)
    assert float(found.variance_kept) == pytest.approx(1.0)


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-6, 1.0), st.floats(0.01, 1.0), st.floats(0.5, 0.999))
def test_always_valid_interval_and_p_value_are_two_sides_of_one_thing(variance, mixture, confidence):
    edge = always_valid_half_width(np.asarray(variance), mixture, confidence)
    assert always_valid_p_value(edge, np.asarray(variance), mixture) == pytest.approx(1 - confidence)
    assert edge > stats.norm.ppf((1 + confidence) / 2) * math.sqrt(variance)


def test_the_mixture_is_the_likelihood_ratio_averaged_over_a_normal_prior():
    variance, mixture, estimate = 0.02, 0.3, 0.5
    effects = np.linspace(-4, 4, 200_001)
    prior = stats.norm.pdf(effects, 0, mixture)
    ratio = stats.norm.pdf(estimate, effects, math.sqrt(variance)) / stats.norm.pdf(estimate, 0, math.sqrt(variance))
    averaged = integrate.trapezoid(prior * ratio, effects)
    p_value = always_valid_p_value(np.asarray(estimate), np.asarray(variance), mixture)
    assert float(p_value) == pytest.approx(1 / averaged, rel=1e-6)


def test_a_broken_assignment_is_seen_and_a_whole_one_is_not():
    fair = check_assignment({"a": 5_030, "b": 4_970}, {"a": 1, "b": 1})
    assert not fair.mismatch
    assert fair.p_value == pytest.approx(stats.chisquare([5_030, 4_970]).pvalue)
    assert check_assignment({"a": 5_300, "b": 4_700}, {"a": 0.5, "b": 0.5}).mismatch
    assert check_assignment({"a": 9_000, "b": 1_000}, {"a": 9, "b": 1}).p_value == 1.0
    assert check_assignment({"a": 900}, {"a": 9, "b": 1}).mismatch, "a variant that nobody saw"


def test_a_quantile_with_one_request_a_unit_is_as_sure_as_order_statistics_say():
    rng = np.random.default_rng(7)
    estimates = [log_quantile(rng.lognormal(8, 0.5, 2_000), np.arange(2_000), 0.95) for _ in range(200)]
    spread = np.std([found.log_value for found in estimates])
    assert np.sqrt(np.mean([found.variance for found in estimates])) == pytest.approx(spread, rel=0.15)


def test_a_quantile_knows_that_requests_of_a_unit_are_alike():
    rng = np.random.default_rng(8)
    values = np.repeat(rng.lognormal(8, 0.5, 200), 20)
    by_unit = log_quantile(values, np.repeat(np.arange(200), 20), 0.5)
    one_by_one = log_quantile(values, np.arange(4_000), 0.5)
    assert by_unit.variance > 8 * one_by_one.variance


def test_p_values_that_are_missing_do_not_count_as_tests():
    assert corrected([0.01, None, 0.04, 0.03], "holm") == [
        pytest.approx(0.03), None, pytest.approx(0.06), pytest.approx(0.06)
    ]  # fmt: skip
    assert corrected([0.01, 0.04, 0.03], "bh") == pytest.approx([0.03, 0.04, 0.04])
    assert corrected([None], "holm") == [None]


def test_the_units_that_are_needed_have_the_power_that_was_asked_for():
    plan = Plan(unit_deviation=2.0, lift=0.1, power=0.8)
    control, variant = units_needed(plan)
    assert control == variant
    assert power_of(plan, control) == pytest.approx(0.8, abs=1e-3)
    by_hand = 2 * (1.959964 + 0.841621) ** 2 * (2.0 / math.log(1.1)) ** 2
    assert control == pytest.approx(by_hand, rel=1e-3)


def test_uneven_shares_need_more_and_a_past_needs_less():
    even = sum(units_needed(Plan(2.0, 0.1)))
    assert sum(units_needed(Plan(2.0, 0.1, control_share=0.9))) == pytest.approx(even / (4 * 0.9 * 0.1), rel=1e-3)
    assert sum(units_needed(Plan(2.0, 0.1, variance_kept=0.5))) == pytest.approx(even / 2, rel=1e-3)


def test_a_rate_and_a_number_of_impressions_say_how_units_deviate():
    rng = np.random.default_rng(9)
    taps = rng.binomial(30, 0.02, 20_000).astype(float)
    estimate = ratio_estimate(taps, np.full(20_000, 30.0))
    measured = math.sqrt(estimate.log_variance * 20_000)
    assert deviation_of_binary_events(0.02, 30) == pytest.approx(measured, rel=0.02)


@pytest.mark.parametrize("plan", [Plan(2.0, 0.0), Plan(2.0, -1.0), Plan(2.0, 0.1, control_share=1.0)])
def test_a_plan_that_finds_nothing_is_refused(plan):
    with pytest.raises(SettingsError):
        units_needed(plan)
