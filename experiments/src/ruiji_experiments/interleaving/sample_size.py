"""How many units an interleaved experiment needs, by the power of its exact sign test."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import stats
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import proportion_effectsize

from ruiji_experiments.errors import SettingsError


@dataclass(frozen=True, slots=True)
class InterleavedPlan:
    """An interleaved experiment."""

    preference: float
    """To be found; 0.1 stands for 55 wins to 45 losses."""
    decided_share: float
    """Of the units: those that tap more of one ranking's items than of the other's."""
    power: float = 0.8
    """Chance of finding it."""
    alpha: float = 0.05
    """Chance of finding one where there is none; two-sided."""


def interleaved_units_needed(plan: InterleavedPlan) -> int:
    """Return the number of units whose decided share finds the preference.

    Raises:
        SettingsError: no number of units finds no preference.
    """
    if not 0 < abs(plan.preference) < 1:
        raise SettingsError("the preference to be found lies between -1 and 1 and is not 0, such as 0.1")
    if not 0 < plan.decided_share <= 1:
        raise SettingsError("the share of units that decide is above 0 and at most 1, such as 0.3")
    wins = 0.5 + abs(plan.preference) / 2
    effect = proportion_effectsize(wins, 0.5)
    start = NormalIndPower().solve_power(effect, alpha=plan.alpha, power=plan.power, ratio=0, alternative="two-sided")
    decided: int = max(1, math.floor(0.9 * float(start)))
    while sign_test_power(decided, wins, plan.alpha) < plan.power:
        decided += 1
    return math.ceil(decided / plan.decided_share)


def sign_test_power(decided: int, wins: float, alpha: float = 0.05) -> float:
    """Return the chance that the exact sign test of `decided` units finds that each wins with the chance `wins`."""
    least = stats.binom.isf(alpha / 2, decided, 0.5) + 1
    return float(stats.binom.sf(least - 1, decided, wins) + stats.binom.cdf(decided - least, decided, wins))
