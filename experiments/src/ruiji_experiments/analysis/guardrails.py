"""Guardrails: what a variant must not make worse, whatever it does for taps.

Each is a test of non-inferiority with a margin that was set before. The interval of the harm is always valid, so a
machine may look every minute: `violated` means that the harm is beyond the margin, `passed` that it is not, `undecided`
that the data do not say yet. One violated guardrail is a reason to stop the variant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ruiji_experiments.analysis.quantile import log_quantile
from ruiji_experiments.analysis.sequential import always_valid_half_width

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ruiji_experiments.analysis.settings import Margins

State = Literal["passed", "violated", "undecided"]

_EXPECTED_HARM = 5.0
"""In margins: harms of this size are found soonest. Small ones cost little by it (sequential), great ones much less."""

_LEAST_UNITS = 50
"""Units with a measurement in each variant below which nothing is decided: intervals are asymptotic."""


@dataclass(frozen=True, slots=True)
class Guardrail:
    """One thing that must not get worse, in one variant."""

    name: str
    """`latency p50`, `latency p95`, `short pages` or `errors`."""
    variant: str
    """Compared with the control."""
    control_value: float | None
    """Milliseconds, or a share of requests; None where nothing was logged of it."""
    value: float | None
    """The variant's."""
    harm: float | None
    """Relative for latencies, absolute for shares; above 0 is worse."""
    low: float | None
    """Lower bound of the harm, at every look."""
    high: float | None
    """Upper bound."""
    margin: float
    """How much harm is allowed, in the unit of the harm."""
    state: State
    """What follows."""


@dataclass(frozen=True, slots=True)
class _Arm:
    """One variant's requests."""

    unit: NDArray[np.int64]
    latency_us: NDArray[np.float64]
    short: NDArray[np.float64]
    failed: NDArray[np.float64]


def check_guardrails(
    requests: Mapping[str, NDArray[Any]], control: str, variants: Sequence[str], margins: Margins, confidence: float
) -> tuple[Guardrail, ...]:
    """Compare every variant with the control.

    Args:
        requests: `variant`, `unit`, `latency_us`, `short`, `failed`, shape (requests,) each; NaN for unknown.
        control: the variant to compare with.
        variants: the others.
        margins: how much harm is allowed.
        confidence: of all looks together.
    """
    arms = {name: _arm(requests, name) for name in (control, *variants)}
    base = arms[control]
    found = []
    for variant in variants:
        arm = arms[variant]
        found.append(_latency("latency p50", variant, base, arm, 0.50, margins.latency_p50, confidence))
        found.append(_latency("latency p95", variant, base, arm, 0.95, margins.latency_p95, confidence))
        shares = (("short pages", "short", margins.short_pages), ("errors", "failed", margins.errors))
        for name, column, margin in shares:
            sides = [_known(side.unit, getattr(side, column)) for side in (base, arm)]
            found.append(_share(name, variant, sides, margin, confidence))
    return tuple(found)


def _arm(requests: Mapping[str, NDArray[Any]], variant: str) -> _Arm:
    chosen = np.asarray(requests["variant"]).astype(str) == variant
    latency, short, failed = (
        np.asarray(requests[name], np.float64)[chosen] for name in ("latency_us", "short", "failed")
    )
    return _Arm(np.asarray(requests["unit"], np.int64)[chosen], latency, short, failed)


def _known(units: NDArray[np.int64], values: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    known = ~np.isnan(values)
    return units[known], values[known]


def _latency(
    name: str, variant: str, control: _Arm, arm: _Arm, probability: float, margin: float, confidence: float
) -> Guardrail:
    sides = [_known(side.unit, np.maximum(side.latency_us, 1.0)) for side in (control, arm)]
    if min(len(np.unique(units)) for units, _ in sides) < _LEAST_UNITS:
        return Guardrail(name, variant, None, None, None, None, None, margin, "undecided")
    before, after = (log_quantile(values, units, probability) for units, values in sides)
    shift, variance = after.log_value - before.log_value, before.variance + after.variance
    half = 0.0
    if variance > 0:
        half = float(
            always_valid_half_width(np.asarray(variance), _EXPECTED_HARM * float(np.log1p(margin)), confidence)
        )
    low, high = float(np.expm1(shift - half)), float(np.expm1(shift + half))
    before_ms, after_ms = (float(np.exp(side.log_value)) / 1000 for side in (before, after))
    harm = float(np.expm1(shift))
    return Guardrail(name, variant, before_ms, after_ms, harm, low, high, margin, _state(low, high, margin))


def _share(
    name: str,
    variant: str,
    sides: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]],
    margin: float,
    confidence: float,
) -> Guardrail:
    if min(len(np.unique(units)) for units, _ in sides) < _LEAST_UNITS:
        return Guardrail(name, variant, None, None, None, None, None, margin, "undecided")
    (before, variance_before), (after, variance_after) = (_share_of_requests(*side) for side in sides)
    half = float(
        always_valid_half_width(np.asarray(variance_before + variance_after), _EXPECTED_HARM * margin, confidence)
    )
    harm = after - before
    low, high = harm - half, harm + half
    return Guardrail(name, variant, before, after, harm, low, high, margin, _state(low, high, margin))


def _share_of_requests(units: NDArray[np.int64], happened: NDArray[np.float64]) -> tuple[float, float]:
    _, codes = np.unique(units, return_inverse=True)
    requests = np.bincount(codes).astype(np.float64)
    events = np.bincount(codes, weights=happened)
    share = float(events.sum() / requests.sum())
    influence = (events - share * requests) / requests.mean()
    # An event that was never seen may still happen: none is given the variance of one.
    least = 1.0 / requests.sum() ** 2
    return share, max(float(influence.var(ddof=1) / len(requests)), least)


def _state(low: float, high: float, margin: float) -> State:
    if low > margin:
        return "violated"
    return "passed" if high < margin else "undecided"
