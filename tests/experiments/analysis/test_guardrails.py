"""Guardrails stop what is harmful, and hardly ever what is not, however often one looks."""

from __future__ import annotations

import numpy as np
import pytest
from ruiji_experiments.analysis.guardrails import check_guardrails
from ruiji_experiments.analysis.settings import Margins

UNITS, REQUESTS_EACH = 400, 5
MARGINS = Margins(latency_p50=0.1, latency_p95=0.2, short_pages=0.02, errors=0.02)


def requests(rng, harm=0.0, slower=1.0, units=UNITS, looks_at=None):
    """Both variants' requests; those of a unit are alike. `looks_at` keeps the first so many units of each."""
    shape = (2, units, REQUESTS_EACH)
    of_unit = rng.lognormal(0, 0.3, (2, units, 1)) * np.array([1.0, slower])[:, None, None]
    failed = rng.random(shape) < np.array([0.01, 0.01 + harm])[:, None, None]
    columns = {
        "variant": np.broadcast_to(np.array(["control", "new"])[:, None, None], shape),
        "unit": np.broadcast_to(np.arange(2 * units).reshape(2, units, 1), shape),
        "latency_us": 3_000 * of_unit * rng.lognormal(0, 0.3, shape),
        "short": np.zeros(shape),
        "failed": failed.astype(float),
    }
    return {name: values[:, :looks_at].ravel() for name, values in columns.items()}


def states(found):
    return {one.name: one.state for one in found}


def check(columns):
    return check_guardrails(columns, "control", ["new"], MARGINS, 0.95)


def test_no_harm_passes():
    assert set(states(check(requests(np.random.default_rng(0), units=3_000))).values()) == {"passed"}


def test_harm_beyond_the_margin_is_violated():
    found = states(check(requests(np.random.default_rng(1), harm=0.1, slower=1.5)))
    assert found == {
        "latency p50": "violated", "latency p95": "violated", "short pages": "passed", "errors": "violated"
    }  # fmt: skip


def test_harm_is_in_the_units_that_it_says():
    [p50, _, _, errors] = check(requests(np.random.default_rng(2), harm=0.05, slower=1.5, units=3_000))
    assert p50.harm == pytest.approx(0.5, abs=0.05)
    assert p50.value / p50.control_value - 1 == pytest.approx(p50.harm)
    assert p50.control_value == pytest.approx(3.0, rel=0.05), "milliseconds"
    assert errors.harm == pytest.approx(0.05, abs=0.01)
    assert errors.low < errors.harm < errors.high


def test_harm_at_the_margin_is_rarely_called_a_violation_by_somebody_who_looks_all_the_time():
    rng = np.random.default_rng(3)
    violated = dict.fromkeys(("latency p50", "latency p95", "errors"), 0)
    for _ in range(60):
        columns = requests(rng, harm=MARGINS.errors, slower=1 + MARGINS.latency_p50)
        unit = columns["unit"] % UNITS
        at_some_look = set()
        for seen in range(80, UNITS + 1, 80):
            found = check({name: values[unit < seen] for name, values in columns.items()})
            at_some_look |= {name for name, state in states(found).items() if state == "violated"}
        for name in at_some_look:
            violated[name] += 1
    # 5 % of 60 are 3; seven and more would come about once in thirty times.
    assert max(violated.values()) <= 6


def test_little_or_nothing_logged_is_undecided():
    few = check(requests(np.random.default_rng(4), units=20))
    assert {one.state for one in few} == {"undecided"}
    assert all(one.harm is None for one in few)
    unknown = requests(np.random.default_rng(5)) | {"latency_us": np.full(2 * UNITS * REQUESTS_EACH, np.nan)}
    assert states(check(unknown))["latency p50"] == "undecided"


def test_events_that_never_happened_may_still_happen():
    [errors] = [one for one in check(requests(np.random.default_rng(6), units=60)) if one.name == "short pages"]
    assert errors.harm == 0
    assert errors.low < 0 < errors.high
