"""Who won: what happened to an item is credited to the team that picked it, summed by unit, and tested.

Each unit has a balance: taps on the second team's items minus taps on the first's. A unit wins if it is above 0, loses
below, ties at 0. With W, L and T units of each kind that tapped something that either team picked,

    preference = (W - L) / (W + L)                       -1 to 1
    Delta      = (W + T / 2) / (W + L + T) - 1 / 2       -0.5 to 0.5

above 0 the second ranking is better. Delta is that of Chapelle, Joachims, Radlinski and Yue, "Large-scale validation
and analysis of interleaved search evaluation" (TOIS 2012). Units are what varies: a sign test over those that decided
says how sure it is, and the interval of the preference is the one that belongs to that test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from ruiji_experiments.interleaving.team_draft import FIRST, SECOND

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Votes:
    """Units by what they decided."""

    wins: int
    """Did more with the second ranking's items."""
    losses: int
    """Did more with the first's."""
    ties: int
    """Did as much with both's."""
    silent: int
    """Did nothing with either's."""

    @property
    def decided(self) -> int:
        """Units that the sign test counts."""
        return self.wins + self.losses

    @property
    def units(self) -> int:
        """All."""
        return self.decided + self.ties + self.silent


@dataclass(frozen=True, slots=True)
class Preference:
    """How units liked the second ranking against the first."""

    votes: Votes
    preference: float
    """-1 to 1; 0 if nobody decided."""
    low: float
    """Lower bound, by the exact (Clopper-Pearson) interval of the share of wins."""
    high: float
    """Upper bound."""
    p_value: float
    """Two-sided, of no preference, by the exact sign test."""
    delta: float
    """-0.5 to 0.5; 0 if nobody did anything."""
    delta_low: float
    """Lower bound, by the normal distribution of a mean over units."""
    delta_high: float
    """Upper bound."""


def unit_credits(
    units: NDArray[np.int64], teams: NDArray[np.int8], tapped: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each unit's taps on the first and on the second team's items, shape (units,) each.

    Args:
        units: who was shown the item, shape (items,), numbered from 0.
        teams: who picked it, shape (items,).
        tapped: shape (items,).
    """
    size = int(units.max()) + 1 if len(units) else 0
    first, second = (
        np.bincount(units, weights=tapped & (teams == team), minlength=size).astype(np.float64)
        for team in (FIRST, SECOND)
    )
    return first, second


def votes_of(first: NDArray[np.float64], second: NDArray[np.float64]) -> Votes:
    """Count units by what they decided; `first` and `second` as `unit_credits` returns them."""
    equal = int((first == second).sum())
    silent = int(((first == 0) & (second == 0)).sum())
    return Votes(int((second > first).sum()), int((first > second).sum()), equal - silent, silent)


def preference(votes: Votes, confidence: float = 0.95) -> Preference:
    """Judge and test; `confidence` is of the intervals."""
    delta, half = _delta(votes, confidence)
    if not votes.decided:
        return Preference(votes, 0.0, -1.0, 1.0, 1.0, delta, delta - half, delta + half)
    test = stats.binomtest(votes.wins, votes.decided)
    interval = test.proportion_ci(confidence)
    return Preference(
        votes=votes,
        preference=preference_of(votes.wins, votes.losses),
        low=2 * float(interval.low) - 1,
        high=2 * float(interval.high) - 1,
        p_value=float(test.pvalue),
        delta=delta,
        delta_low=max(delta - half, -0.5),
        delta_high=min(delta + half, 0.5),
    )


def preference_of(wins: float, losses: float) -> float:
    """Return (W - L) / (W + L)."""
    return (wins - losses) / (wins + losses)


def _delta(votes: Votes, confidence: float) -> tuple[float, float]:
    """Return Delta and half of its interval's width."""
    heard = votes.decided + votes.ties
    if not heard:
        return 0.0, 0.5
    delta = (votes.wins - votes.losses) / (2 * heard)
    # A unit's value is 1/2, 0 or -1/2.
    variance = votes.decided / (4 * heard) - delta**2
    return delta, float(stats.norm.ppf(0.5 + confidence / 2)) * float(np.sqrt(variance / heard))
