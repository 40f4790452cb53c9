"""The same preference by resampling units, as a check of the sign test: it assumes no distribution of the votes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ruiji_experiments.interleaving.credit import Votes


def bootstrap_preference(
    votes: Votes, *, confidence: float, resamples: int, rng: np.random.Generator
) -> tuple[float, float] | None:
    """Return the percentile interval of the preference; None if nobody decided.

    To draw as many units as there are, with replacement, and to count their votes is to draw those counts from a
    multinomial distribution.

    Args:
        votes: of the units.
        confidence: of the interval.
        resamples: how many.
        rng: draws the units.
    """
    if not votes.decided:
        return None
    counts = np.array([votes.wins, votes.losses, votes.ties + votes.silent])
    drawn = rng.multinomial(votes.units, counts / votes.units, size=resamples)
    wins, losses = drawn[:, 0], drawn[:, 1]
    # A draw in which nobody decides prefers nobody.
    preferences = (wins - losses) / np.maximum(wins + losses, 1)
    low, high = np.quantile(preferences, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
