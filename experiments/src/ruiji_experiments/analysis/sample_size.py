"""How many units an experiment needs, by statsmodels' power of a comparison of two means.

The effect is measured in standard deviations of a unit's relative influence on the ratio, the same quantity whose
mean's variance the delta method uses, so that repeated impressions of one unit count for what they are worth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from statsmodels.stats.power import NormalIndPower

from ruiji_experiments.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Plan:
    """An experiment of two variants."""

    unit_deviation: float
    """Standard deviation over units of the relative influence: sqrt(units * variance of log(ratio))."""
    lift: float
    """To be found; 0.1 is +10 %."""
    power: float = 0.8
    """Chance of finding it."""
    alpha: float = 0.05
    """Chance of finding one where there is none; two-sided."""
    control_share: float = 0.5
    """Of the units of both variants."""
    variance_kept: float = 1.0
    """By adjustment for the pre-period."""


def units_needed(plan: Plan) -> tuple[int, int]:
    """Return the number of units in the control and in the variant.

    Raises:
        SettingsError: no number of units finds no lift.
    """
    if plan.lift <= -1 or plan.lift == 0:
        raise SettingsError("the lift to be found must be above -1 and not 0, such as 0.05 for +5 %")
    if not 0 < plan.control_share < 1:
        raise SettingsError("the control's share must be between 0 and 1, such as 0.5")
    ratio = (1 - plan.control_share) / plan.control_share
    of_control = NormalIndPower().solve_power(
        _effect(plan), alpha=plan.alpha, power=plan.power, ratio=ratio, alternative="two-sided"
    )
    return math.ceil(of_control), math.ceil(of_control * ratio)


def power_of(plan: Plan, control_units: int) -> float:
    """Return the chance that `control_units`, with the variant's in proportion, find the lift."""
    ratio = (1 - plan.control_share) / plan.control_share
    return float(NormalIndPower().power(_effect(plan), control_units, plan.alpha, ratio=ratio))


def deviation_of_binary_events(rate: float, events_per_unit: float, clustering: float = 1.0) -> float:
    """Return a unit's deviation where no log is at hand.

    Args:
        rate: the ratio, such as a CTR of 0.02.
        events_per_unit: the denominator's mean, such as 30 impressions.
        clustering: how much larger the variance is than with independent events (the design effect).
    """
    if not 0 < rate < 1 or events_per_unit <= 0 or clustering <= 0:
        raise SettingsError("a rate is between 0 and 1; events per unit and the design effect are above 0")
    return math.sqrt((1 - rate) / (rate * events_per_unit) * clustering)


def _effect(plan: Plan) -> float:
    return abs(math.log1p(plan.lift)) / (plan.unit_deviation * math.sqrt(plan.variance_kept))
