"""From sums by unit to lifts with everything known about them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ruiji_experiments.analysis.bootstrap import bootstrap_lift
from ruiji_experiments.analysis.cuped import adjusted_lift, pre_period_covariate
from ruiji_experiments.analysis.ratio import Lift, RatioEstimate, lift, ratio_estimate
from ruiji_experiments.analysis.results import METRICS, Interval, LiftFigures, Metric, TestedLift, VariantFigures
from ruiji_experiments.analysis.sequential import always_valid_half_width, always_valid_p_value

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ruiji_experiments.analysis.counts import UnitSums
    from ruiji_experiments.analysis.settings import AnalysisSettings

LEAST_EVENTS = 20
"""Taps (or purchases) in each variant below which always-valid intervals and segments are not given."""


def variant_figures(sums: UnitSums, variant: str, confidence: float) -> VariantFigures:
    """Return one variant's sums and ratios."""
    chosen = sums.of(variant)
    totals = {name: float(values[chosen].sum()) for name, values in sums.during.items() if name != "units"}
    return VariantFigures(
        variant=variant,
        units=int(chosen.sum()),
        sums=totals,
        metrics={metric.name: _interval(_estimate(sums, metric, chosen), confidence) for metric in METRICS},
    )


def lift_figures(sums: UnitSums, metric: Metric, variant: str, settings: AnalysisSettings) -> LiftFigures:
    """Compare one metric of a variant with the control's; correcting for the number of variants is the caller's."""
    control_units, variant_units = sums.of(settings.control), sums.of(variant)
    control, changed = _estimate(sums, metric, control_units), _estimate(sums, metric, variant_units)
    plain = lift(control, changed)
    if not _known(plain):
        return LiftFigures(variant, metric.name, None, None, None, None, None, None)

    adjusted, kept = None, None
    covariate = pre_period_covariate(sums.before[metric.numerator], sums.before[metric.denominator])
    if covariate.any():
        found = adjusted_lift(control, changed, covariate[control_units], covariate[variant_units])
        adjusted, kept = tested(found.lift, settings.confidence), float(found.variance_kept)

    events = min(float(sums.during[metric.numerator][units].sum()) for units in (control_units, variant_units))
    return LiftFigures(
        variant=variant,
        metric=metric.name,
        plain=tested(plain, settings.confidence),
        p_corrected=None,
        always_valid=always_valid(plain, settings) if events >= LEAST_EVENTS else None,
        adjusted=adjusted,
        variance_kept=kept,
        bootstrap=_bootstrap(sums, metric, (control_units, variant_units), settings),
    )


def tested(found: Lift, confidence: float) -> TestedLift:
    """Return a lift as plain values, for one look."""
    low, high = found.interval(confidence)
    return TestedLift(Interval(float(found.relative), float(low), float(high)), float(found.p_value()))


def always_valid(found: Lift, settings: AnalysisSettings) -> TestedLift:
    """Return a lift as plain values, for every look."""
    mixture = math.log1p(settings.expected_lift)
    half = always_valid_half_width(found.variance, mixture, settings.confidence)
    bounds = (float(np.expm1(found.log_lift + side)) for side in (-half, half))
    p_value = always_valid_p_value(found.log_lift, found.variance, mixture)
    return TestedLift(Interval(float(found.relative), *bounds), float(p_value))


def _bootstrap(
    sums: UnitSums, metric: Metric, arms: tuple[NDArray[np.bool_], NDArray[np.bool_]], settings: AnalysisSettings
) -> Interval | None:
    if not settings.resamples:
        return None
    control, variant = ((sums.during[metric.numerator][arm], sums.during[metric.denominator][arm]) for arm in arms)
    low, high = bootstrap_lift(
        control,
        variant,
        confidence=settings.confidence,
        resamples=settings.resamples,
        rng=np.random.default_rng(settings.seed),
    )
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    ratios = [float(numerators.sum() / denominators.sum()) for numerators, denominators in (control, variant)]
    return Interval(ratios[1] / ratios[0] - 1, low, high)


def _estimate(sums: UnitSums, metric: Metric, units: NDArray[np.bool_]) -> RatioEstimate:
    return ratio_estimate(sums.during[metric.numerator][units], sums.during[metric.denominator][units])


def _interval(estimate: RatioEstimate, confidence: float) -> Interval | None:
    value = float(estimate.value)
    if not math.isfinite(value):
        return None
    if value == 0 or estimate.units < 2:
        return Interval(value, math.nan, math.nan)
    low, high = estimate.interval(confidence)
    return Interval(value, float(low), float(high))


def _known(found: Lift) -> bool:
    return bool(np.isfinite(found.log_lift) and np.isfinite(found.variance) and found.variance > 0)
