"""Shares of simulated experiments, with what chance in the simulation leaves open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scipy import stats

if TYPE_CHECKING:
    from ruiji_experiments.simulation.coverage import Truths


def share_text(happened: Truths) -> str:
    """Write how often something happened, with the exact 95 % interval; `happened` has shape (experiments,)."""
    interval = stats.binomtest(int(happened.sum()), len(happened)).proportion_ci()
    return f"{happened.mean():.1%} [{interval.low:.1%}, {interval.high:.1%}]"
