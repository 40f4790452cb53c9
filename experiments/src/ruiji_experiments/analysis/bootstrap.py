"""The same lift by resampling units, as a check of the delta method: it assumes no formula of the variance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ruiji_experiments.analysis.ratio import Floats

_BATCH_CELLS = 4_000_000
"""Resampled units held at once."""


def bootstrap_lift(
    control: tuple[Floats, Floats],
    variant: tuple[Floats, Floats],
    *,
    confidence: float,
    resamples: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Return the percentile interval of the relative lift; each variant's units are drawn with replacement.

    Args:
        control: numerators and denominators, shape (units,), float64 each.
        variant: the same of the variant.
        confidence: of the interval.
        resamples: how many.
        rng: draws the units.
    """

    def statistic(control_rows: NDArray[np.int64], variant_rows: NDArray[np.int64], axis: int) -> Floats:
        return np.asarray(_ratio(variant, variant_rows, axis) / _ratio(control, control_rows, axis) - 1)

    # SciPy resamples what it is given; given row numbers, it keeps the numerator and denominator of a unit together.
    rows = (np.arange(len(control[0])), np.arange(len(variant[0])))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = stats.bootstrap(
            rows,
            statistic,
            n_resamples=resamples,
            batch=max(1, _BATCH_CELLS // max(len(rows[0]), len(rows[1]))),
            vectorized=True,
            confidence_level=confidence,
            method="percentile",
            rng=rng,
        )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def _ratio(sums: tuple[Floats, Floats], rows: NDArray[np.int64], axis: int) -> Floats:
    return np.asarray(sums[0][rows].sum(axis=axis) / sums[1][rows].sum(axis=axis))
