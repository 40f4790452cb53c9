"""Quantiles of what happened in requests, such as the latency that one in twenty exceeds, with units as what varies.

The interval of Woodruff ("Confidence intervals for medians and other position measures", JASA 1952): how sure one is of
the share of requests below the quantile, read off the distribution. That share is a ratio of sums over units, so
requests of one unit may be alike (Deng, Knoblich and Lu, KDD 2018, section 4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ruiji_experiments.analysis.ratio import Floats

_READ_OFF_AT = 1.96
"""Standard errors to both sides at which the distribution is read."""


@dataclass(frozen=True, slots=True)
class LogQuantile:
    """A quantile of positive values, as its logarithm."""

    log_value: float
    """Natural logarithm of the quantile."""
    variance: float
    """Of that logarithm."""


def log_quantile(values: Floats, units: NDArray[np.int64], probability: float) -> LogQuantile:
    """Estimate a quantile.

    Args:
        values: shape (requests,), float64, above 0.
        units: shape (requests,), int64: whose request it is.
        probability: such as 0.95.
    """
    at = float(np.quantile(values, probability))
    _, codes = np.unique(units, return_inverse=True)
    sizes = np.bincount(codes).astype(np.float64)
    below = np.bincount(codes, weights=values <= at)
    influence = (below - below.sum() / sizes.sum() * sizes) / sizes.mean()
    error = float(np.std(influence, ddof=1) / np.sqrt(len(sizes))) if len(sizes) > 1 else np.inf
    low, high = probability - _READ_OFF_AT * error, probability + _READ_OFF_AT * error
    spans = np.abs(np.log(np.quantile(values, np.clip([low, high], 0, 1))) - np.log(at))
    # Where the distribution ends before it could be read on both sides, the longer side stands for both.
    span = spans.mean() if low > 0 and high < 1 else spans.max()
    return LogQuantile(float(np.log(at)), float((span / _READ_OFF_AT) ** 2))
