"""Who won: taps are credited to the team that picked the item, summed by unit, and tested.

Each unit has a balance: taps on the second team's items minus taps on the first's. The preference is how many more
units have a positive balance than a negative one, as a share of those that have either; above 0 the second ranking
wins. A sign test says how sure that is (Chapelle, Joachims, Radlinski and Yue, "Large-scale validation and analysis of
interleaved search evaluation", TOIS 2012, discuss this and finer credits).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from ruiji_experiments.interleaving.team_draft import SECOND

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Preference:
    """How units liked the second ranking against the first."""

    wins: int
    """Units that tapped more of the second ranking's items."""
    losses: int
    """Units that tapped more of the first's."""
    ties: int
    """Units that tapped as many of both, or none."""
    preference: float
    """(wins - losses) / (wins + losses), -1 to 1; 0 if nobody won."""
    low: float
    """Lower bound, by the exact (Clopper-Pearson) interval of the share of wins."""
    high: float
    """Upper bound."""
    p_value: float
    """Two-sided, of no preference, by the exact sign test."""


def preference(
    units: NDArray[np.int64], teams: NDArray[np.int8], tapped: NDArray[np.bool_], confidence: float = 0.95
) -> Preference:
    """Credit taps and test.

    Args:
        units: who was shown the item, shape (items,), numbered from 0.
        teams: who picked it, shape (items,).
        tapped: shape (items,).
        confidence: of the interval.
    """
    credit = np.where(teams == SECOND, 1.0, -1.0) * tapped
    balance = np.bincount(units, weights=credit)
    wins, losses = int((balance > 0).sum()), int((balance < 0).sum())
    decided = wins + losses
    if not decided:
        return Preference(0, 0, len(balance), 0.0, -1.0, 1.0, 1.0)
    test = stats.binomtest(wins, decided)
    interval = test.proportion_ci(confidence)
    return Preference(
        wins,
        losses,
        len(balance) - decided,
        2 * wins / decided - 1,
        float(2 * interval.low - 1),
        float(2 * interval.high - 1),
        float(test.pvalue),
    )
