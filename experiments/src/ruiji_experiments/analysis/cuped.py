"""Variance reduction: what units did before the experiment explains part of how they differ during it.

CUPED subtracts from each unit's value `theta * covariate`, where theta = cov(value, covariate) / var(covariate), pooled
over the variants. The covariate comes from before the assignment, so its mean is the same in all variants but for
chance, and the estimate stays unbiased while its variance falls by the squared correlation (Deng, Xu, Kohavi and
Walker, "Improving the sensitivity of online controlled experiments by utilizing pre-experiment data", WSDM 2013). For a
ratio the values and the covariate are its influence values during and before the experiment (Deng, Knoblich and Lu,
KDD 2018).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ruiji_experiments.analysis.ratio import Floats, Lift, RatioEstimate, lift_of_means


@dataclass(frozen=True, slots=True)
class AdjustedLift:
    """A lift after the adjustment."""

    lift: Lift
    """The lift."""
    variance_kept: Floats
    """Shape (...): its variance over that without adjustment; 0.6 stands for 40 % fewer units needed."""


def pre_period_covariate(numerators: Floats, denominators: Floats) -> Floats:
    """Return what each unit was above or below the average ratio before the experiment.

    A unit without a past has the average, 0.

    Args:
        numerators: shape (..., units), float64, sums of the pre-period over **all** variants' units.
        denominators: the same shape.

    Returns:
        Shape (..., units); zeros where nobody has a past.
    """
    top, bottom = numerators.sum(axis=-1, keepdims=True), denominators.sum(axis=-1, keepdims=True)
    ratio = np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)
    return np.asarray(numerators - ratio * denominators)


def adjusted_lift(
    control: RatioEstimate, variant: RatioEstimate, control_covariate: Floats, variant_covariate: Floats
) -> AdjustedLift:
    """Compare a variant with the control after taking away what the pre-period explains.

    Args:
        control: the control's ratio.
        variant: the variant's.
        control_covariate: shape (..., units of the control).
        variant_covariate: shape (..., units of the variant).
    """
    arms = ((control.relative_influence, control_covariate), (variant.relative_influence, variant_covariate))
    together = np.sum([_co_moment(values, covariate) for values, covariate in arms], axis=0)
    spread = np.sum([_co_moment(covariate, covariate) for _, covariate in arms], axis=0)
    theta = np.divide(together, spread, out=np.zeros_like(spread), where=spread > 0)

    with np.errstate(invalid="ignore", divide="ignore"):
        shift = np.log(variant.value / control.value)
    shift = shift - theta * (variant_covariate.mean(axis=-1) - control_covariate.mean(axis=-1))
    rests = [values - theta[..., None] * covariate for values, covariate in arms]
    plain = control.log_variance + variant.log_variance
    adjusted = lift_of_means(shift, rests[0], rests[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        return AdjustedLift(adjusted, adjusted.variance / plain)


def _co_moment(first: Floats, second: Floats) -> Floats:
    centred = second - second.mean(axis=-1, keepdims=True)
    return np.asarray((first * centred).sum(axis=-1))
