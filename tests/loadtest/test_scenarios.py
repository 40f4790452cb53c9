"""Scenarios are numbers that fit together."""

from __future__ import annotations

import pytest
from ruiji_loadtest.scenarios import BY_ITEM, BY_PICTURE, SCENARIOS, UPSERT, Scenario


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_each_kind_of_request_that_a_scenario_makes_has_a_limit(scenario: Scenario) -> None:
    shares = {
        BY_PICTURE: scenario.picture_share,
        UPSERT: scenario.upsert_share,
        BY_ITEM: 1 - scenario.picture_share - scenario.upsert_share,
    }
    assert all(0 <= share <= 1 for share in shares.values())
    assert set(scenario.max_p99_ms) == {name for name, share in shares.items() if share > 0}


def test_only_the_spike_has_one() -> None:
    moments = [share / 100 for share in range(101)]
    for name, scenario in SCENARIOS.items():
        rates = {scenario.rate_factor(moment) for moment in moments}
        assert rates == ({1.0, 5.0} if name == "spike" else {1.0}), name
    spiking = [moment for moment in moments if SCENARIOS["spike"].rate_factor(moment) > 1]
    assert (min(spiking), max(spiking)) == (0.4, 0.59)
