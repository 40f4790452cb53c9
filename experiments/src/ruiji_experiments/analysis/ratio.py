"""Ratios of sums over units, such as taps over impressions, and what another variant's ratio is relative to them.

Units are randomised, so units are what varies: impressions of one person are alike, and counting them as if they were
not makes intervals too narrow. By the delta method a ratio of two means varies like the mean of its influence values
`(numerator - ratio * denominator) / mean denominator`, one for each unit (Deng, Knoblich and Lu, "Applying the delta
method in metric analytics", KDD 2018). Variants are compared on the scale of the logarithm, on which a lift of +100 %
and one of -50 % are equally far from none (Katz and others, "Obtaining confidence intervals for the risk ratio in
cohort studies", 1978). The same comes out of a Poisson regression with errors clustered by unit.

All functions work along the last axis, so that thousands of simulated experiments are one call.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RatioEstimate:
    """A ratio of means in each of zero or more experiments at once."""

    value: Floats
    """Shape (...): mean numerator over mean denominator; NaN where the denominator is 0."""
    relative_influence: Floats
    """Shape (..., units): what each unit adds to the error of log(value); its mean is 0. NaN where the value is 0."""

    @property
    def units(self) -> int:
        """How many units."""
        return self.relative_influence.shape[-1]

    @property
    def log_variance(self) -> Floats:
        """Shape (...): the variance of log(value)."""
        return mean_variance(self.relative_influence)

    def interval(self, confidence: float) -> tuple[Floats, Floats]:
        """Return the bounds of the ratio itself, shape (...) each; by the logarithm, hence never below 0."""
        half = stats.t.ppf((1 + confidence) / 2, self.units - 1) * np.sqrt(self.log_variance)
        return self.value * np.exp(-half), self.value * np.exp(half)


def ratio_estimate(numerators: Floats, denominators: Floats) -> RatioEstimate:
    """Estimate a ratio of means.

    Args:
        numerators: shape (..., units), float64, one sum for each unit.
        denominators: the same shape.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        top, bottom = numerators.mean(axis=-1), denominators.mean(axis=-1)
        influence = numerators / top[..., None] - denominators / bottom[..., None]
        return RatioEstimate(top / bottom, influence)


def mean_variance(values: Floats) -> Floats:
    """Return the variance of the mean of `values`, shape (..., units), along the last axis."""
    return np.asarray(values.var(axis=-1, ddof=1) / values.shape[-1])


@dataclass(frozen=True, slots=True)
class Lift:
    """How a variant's ratio stands to the control's, as the logarithm of their quotient."""

    log_lift: Floats
    """Shape (...): log(variant / control)."""
    variance: Floats
    """Shape (...): its variance."""
    degrees: Floats
    """Shape (...): degrees of freedom of that variance, by Welch and Satterthwaite."""

    @property
    def relative(self) -> Floats:
        """Shape (...): variant / control - 1; 0.1 is +10 %."""
        return np.expm1(self.log_lift)

    def interval(self, confidence: float) -> tuple[Floats, Floats]:
        """Return the bounds of the relative lift for one look at the data, shape (...) each."""
        half = stats.t.ppf((1 + confidence) / 2, self.degrees) * np.sqrt(self.variance)
        return np.expm1(self.log_lift - half), np.expm1(self.log_lift + half)

    def p_value(self) -> Floats:
        """Return the two-sided p-value of there being no lift, shape (...); below alpha iff 0 is outside."""
        return np.asarray(2 * stats.t.sf(np.abs(self.log_lift) / np.sqrt(self.variance), self.degrees))


def lift(control: RatioEstimate, variant: RatioEstimate) -> Lift:
    """Compare a variant with the control."""
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = np.log(variant.value / control.value)
    return lift_of_means(shift, control.relative_influence, variant.relative_influence)


def lift_of_means(log_lift: Floats, control_influence: Floats, variant_influence: Floats) -> Lift:
    """Return a lift with the variance that the units' influence values say, shapes (...) and (..., units)."""
    of_control, of_variant = mean_variance(control_influence), mean_variance(variant_influence)
    variance = of_control + of_variant
    with np.errstate(invalid="ignore", divide="ignore"):
        degrees = variance**2 / (
            of_control**2 / (control_influence.shape[-1] - 1) + of_variant**2 / (variant_influence.shape[-1] - 1)
        )
    return Lift(np.asarray(log_lift), variance, degrees)
