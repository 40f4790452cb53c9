"""Replay against simulated pages, of which the truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ruiji_experiments.errors import LogError, NoSupport, SettingsError
from ruiji_experiments.replay.estimators import by_unit, ips, logged_ctr, placement, snips
from ruiji_experiments.replay.exploration import Exploration
from ruiji_experiments.replay.logged import LoggedPages
from ruiji_experiments.replay.outcome_model import model_taps
from ruiji_experiments.replay.replaying import ReplaySettings, replay
from ruiji_experiments.replay.target import TargetPolicy
from ruiji_experiments.simulation.clicks import as_served, simulate_pages


@pytest.fixture(scope="module")
def simulated():
    return simulate_pages(12_000, Exploration(0.3, 10), np.random.default_rng(0))


OTHER = TargetPolicy(category_weight=0.3)


def small(**columns) -> LoggedPages:
    """Two pages of two items; unit 0 saw both."""
    values = {
        "page": np.array([0, 0, 1, 1]),
        "unit": np.zeros(4, np.int64),
        "item": np.array(["a", "b", "a", "b"]),
        "position": np.array([1, 2, 1, 2]),
        "propensity": np.array([0.5, 0.5, 0.25, 0.25]),
        "tapped": np.array([1.0, 0.0, 1.0, 1.0]),
        "features": {name: np.array([0.9, 0.8, 0.5, 0.5]) for name in ("cosine", "category_similarity")}
        | {"price_ratio": np.array([1.0, 3.0, 1.0, 1.0])},
    }
    return LoggedPages(**(values | columns))


def test_ips_and_snips_by_hand():
    pages = small()
    placed = placement(pages, np.array([1, 2, 2, 1]), positions=2)
    assert placed.weight.tolist() == [2.0, 2.0, 0.0, 0.0]
    assert ips(pages, placed).value == pytest.approx(2 / 4)
    assert snips(pages, placed).value == pytest.approx(2 / 4)
    assert logged_ctr(pages, placement(pages, pages.position, 1)).value == 1.0
    first = placement(pages, np.array([1, 2, 2, 1]), positions=1)
    assert first.wanted.tolist() == [True, False, False, True]
    assert ips(pages, first).value == pytest.approx(2 / 2)


def test_the_target_is_the_ranking_with_other_settings():
    assert TargetPolicy(0.0).positions(small()).tolist() == [1, 2, 1, 2]
    swapped = small(features=small().features | {"category_similarity": np.array([0.0, 1.0, 0.0, 0.0])})
    assert TargetPolicy(0.9).positions(swapped).tolist() == [2, 1, 1, 2], "ties by item id"
    assert TargetPolicy(0.0, max_price_ratio=2.0).positions(small()).tolist() == [1, 0, 1, 2]


def test_a_ranking_by_what_was_not_logged_is_refused():
    nothing = small(features=small().features | {"category_similarity": np.full(4, np.nan)})
    assert TargetPolicy(0.0).positions(nothing).tolist() == [1, 2, 1, 2]
    with pytest.raises(LogError, match="lacks category_similarity"):
        OTHER.positions(nothing)


@pytest.mark.parametrize("policy", [TargetPolicy(0.0), OTHER], ids=["as served", "other"])
def test_estimates_hold_the_truth(simulated, policy):
    target = policy.positions(simulated.logged)
    found = replay(simulated.logged, target, ReplaySettings(confidence=0.99))
    truth = simulated.true_ctr(target, 5)
    for name, estimate in found.estimates.items():
        assert estimate.low < truth < estimate.high, name
    assert found.supported == pytest.approx(1.0, abs=0.05)
    assert found.effective_places < 12_000 * 5


def test_estimates_are_right_on_average_and_intervals_cover():
    """A hundred logs, each too small to say much."""
    rng, exploration = np.random.default_rng(1), Exploration(1.0, 4)
    misses, covered = {name: [] for name in ("IPS", "SNIPS", "DR")}, {name: [] for name in ("IPS", "SNIPS", "DR")}
    for _ in range(100):
        drawn = simulate_pages(400, exploration, rng, length=4, pages_per_unit=2)
        target = OTHER.positions(drawn.logged)
        truth = drawn.true_ctr(target, 2)
        found = replay(drawn.logged, target, ReplaySettings(positions=2, least_effective_places=50))
        for name, estimate in found.estimates.items():
            misses[name].append(estimate.value - truth)
            covered[name].append(estimate.low <= truth <= estimate.high)
    for name, found in misses.items():
        assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(100), name
        assert np.mean(covered[name]) > 0.9, name
    assert np.std(misses["SNIPS"]) < np.std(misses["IPS"])
    assert np.std(misses["DR"]) < np.std(misses["IPS"])


def test_the_plain_ctr_of_the_log_would_be_wrong(simulated):
    target = OTHER.positions(simulated.logged)
    found = replay(simulated.logged, target, ReplaySettings())
    assert found.logged.value < 0.95 * simulated.true_ctr(target, 5)
    assert found.estimates["DR"].difference_low > 0


def test_the_same_policy_makes_no_difference():
    everything = simulate_pages(500, Exploration(1.0, 10), np.random.default_rng(2))
    found = replay(everything.logged, everything.logged.position, ReplaySettings(least_effective_places=1))
    assert found.logged.difference == 0
    assert found.logged.difference_high == pytest.approx(0)


def test_places_that_chance_never_brings_about_are_refused():
    narrow = simulate_pages(3_000, Exploration(0.3, 2), np.random.default_rng(3))
    with pytest.raises(NoSupport, match="never come about by chance"):
        replay(narrow.logged, TargetPolicy(1.0).positions(narrow.logged), ReplaySettings())
    near = as_served(narrow.logged)
    assert replay(narrow.logged, near, ReplaySettings()).supported == pytest.approx(1.0, abs=0.05)


def test_too_little_chance_is_refused():
    rare = simulate_pages(2_000, Exploration(0.02, 10), np.random.default_rng(4))
    with pytest.raises(NoSupport, match=r"tell as much as|never come about"):
        replay(rare.logged, OTHER.positions(rare.logged), ReplaySettings())


def test_a_policy_that_empties_the_page_is_refused(simulated):
    dear = {"price_ratio": np.tile([1.0, 9.0], len(simulated.logged.page) // 2)}
    pages = replace(simulated.logged, features=simulated.logged.features | dear)
    target = TargetPolicy(0.0, max_price_ratio=2.0).positions(pages)
    assert replay(pages, target, ReplaySettings(positions=2)).empty < 0.05
    with pytest.raises(NoSupport, match="places empty"):
        replay(pages, target, ReplaySettings(positions=8))


def test_the_model_of_taps_learns_position_and_features_from_other_units(simulated):
    pages = simulated.logged
    target = OTHER.positions(pages)
    modelled = model_taps(pages, target)
    assert modelled.features == ("cosine", "price_ratio", "category_similarity")
    truth = simulated.attraction / pages.position**simulated.model.bias
    assert np.corrcoef(modelled.as_shown, truth)[0, 1] > 0.8
    changed = replace(pages, tapped=np.where(pages.unit == 0, 1.0, pages.tapped))
    again = model_taps(changed, target)
    mine = pages.unit == 0
    assert again.as_shown[mine] == pytest.approx(modelled.as_shown[mine]), "no tap explains itself"


def test_sums_are_by_unit():
    assert by_unit(small(unit=np.array([0, 0, 1, 1])), np.arange(4.0)).tolist() == [1.0, 5.0]


def test_no_position_is_nothing_to_judge():
    with pytest.raises(SettingsError):
        ReplaySettings(positions=0)
