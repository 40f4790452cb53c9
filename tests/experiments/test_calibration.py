"""A short calibration: the full one, of 2,000 experiments, is in docs/experiment-calibration.md."""

from __future__ import annotations

import numpy as np
import pytest
from ruiji_experiments.simulation.calibration import CalibrationSettings, calibration_page, steps_of
from ruiji_experiments.simulation.coverage import Trials, share_with_mismatch, simulate


@pytest.fixture(scope="module")
def nothing_to_find():
    return simulate(Trials(experiments=400, units_per_arm=600, days=7, pre_days=7, bootstrapped=40, resamples=400))


@pytest.fixture(scope="module")
def something_to_find():
    return simulate(Trials(experiments=150, units_per_arm=600, days=7, pre_days=7, ctr_lift=0.5, cvr_lift=0.14))


@pytest.mark.parametrize("metric", ["ctr", "cvr"])
@pytest.mark.parametrize("method", ["delta method", "CUPED"])
def test_intervals_of_aa_tests_cover_as_often_as_they_claim(nothing_to_find, metric, method):
    # 400 experiments say so to within 3.3 percentage points (three standard errors).
    assert nothing_to_find[metric].covered[method].mean() == pytest.approx(0.95, abs=0.033)


def test_looking_every_evening_is_safe_with_one_method_and_not_with_the_other(nothing_to_find):
    for metric in nothing_to_find.values():
        assert metric.found["always valid, every evening"].mean() <= 0.05
        assert metric.found["delta method, every evening"].mean() > 1.5 * metric.found["delta method"].mean()


def test_the_bootstrap_agrees_with_the_delta_method_in_nearly_every_experiment(nothing_to_find):
    covered = nothing_to_find["ctr"].covered
    assert (covered["bootstrap"] == covered["delta method"][:40]).mean() >= 0.95


def test_a_past_makes_ctr_surer(nothing_to_find, something_to_find):
    assert nothing_to_find["ctr"].variance_kept.mean() < 0.8
    found = something_to_find["ctr"].found
    assert found["CUPED"].mean() >= found["delta method"].mean() > 0.9


def test_planted_lifts_are_inside_the_intervals(something_to_find):
    for metric in something_to_find.values():
        assert metric.covered["delta method"].mean() > 0.89
        assert metric.covered["always valid, every evening"].mean() > 0.95


def test_broken_assignments_are_caught_and_whole_ones_left_alone():
    assert share_with_mismatch(0.5, 3_000, 5_000, seed=0) < 0.004
    assert share_with_mismatch(0.6, 3_000, 500, seed=0) == 1.0


def test_the_same_seed_draws_the_same_experiments():
    trials = Trials(experiments=5, units_per_arm=50)
    first, second = simulate(trials), simulate(trials)
    assert np.array_equal(first["ctr"].variance_kept, second["ctr"].variance_kept)


def test_the_page_tells_of_everything_and_of_every_step():
    settings, steps = (
        CalibrationSettings(20, 2, units_per_arm=100, pilot_units=20_000, replays=1, pages_per_replay=8_000),
        [],
    )
    page = calibration_page(settings, steps.append)
    assert sum(steps) == steps_of(settings)
    for title in ("A/A tests", "A planted +50% of CTR", "Broken assignment", "Replay", "Interleaving"):
        assert f"## {title}" in page
