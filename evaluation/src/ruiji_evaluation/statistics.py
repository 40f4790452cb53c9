"""How sure a mean over queries is: bootstrap intervals, and a randomisation test for pairs.

Both take whole units (the queries of one user, say) rather than queries, since the queries of one user are alike. They
agree with `scipy.stats.bootstrap` and `scipy.stats.permutation_test`, and use one set of resamples for all columns at
once, which makes differences paired and a report of many figures fast. See Smucker, Allan and Carterette, "A comparison
of statistical significance tests for information retrieval evaluation", CIKM 2007.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CHUNK_CELLS = 4_000_000
"""Resampled units held at once."""


def bootstrap_means(
    values: NDArray[np.float64], units: NDArray[np.int64], resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the column means of resampled queries; units are drawn with replacement, each with all its queries.

    Args:
        values: one row for each query, shape (q, c), float64.
        units: whose query it is, shape (q,), numbered from 0 without gaps.
        resamples: how many times.
        rng: draws the units.

    Returns:
        Shape (resamples, c), float64.
    """
    sums, sizes = _by_unit(values, units)
    count = len(sums)
    means = np.empty((resamples, values.shape[1]))
    chunk = max(1, _CHUNK_CELLS // count)
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        drawn = rng.integers(count, size=(size, count)) + np.arange(size)[:, None] * count
        times = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count).astype(np.float64)
        means[start : start + size] = (times @ sums) / (times @ sizes)[:, None]
    return means


def percentile_interval(
    resampled: NDArray[np.float64], confidence: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the bounds between which the middle share of each column's resamples lies."""
    outside = (1.0 - confidence) / 2.0
    low, high = np.quantile(resampled, (outside, 1.0 - outside), axis=0)
    return low, high


def randomisation_p_values(
    differences: NDArray[np.float64], units: NDArray[np.int64], resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return two-sided p-values of mean differences being 0, by swapping the two sides of whole units at random.

    Args:
        differences: one row for each query, shape (q, c), float64.
        units: as for `bootstrap_means`.
        resamples: how many swaps; no p-value is below 1 / (resamples + 1).
        rng: swaps.

    Returns:
        Shape (c,), float64.
    """
    sums, _ = _by_unit(differences, units)
    observed = np.abs(sums.sum(axis=0))
    # Sums in another order differ in the last bits, and equal ones must count as equal.
    at_least = observed - 1e-9 * np.abs(sums).sum(axis=0)
    as_large = np.zeros(differences.shape[1])
    chunk = max(1, _CHUNK_CELLS // len(sums))
    for start in range(0, resamples, chunk):
        signs = rng.integers(2, size=(min(chunk, resamples - start), len(sums)), dtype=np.int8) * 2.0 - 1.0
        as_large += (np.abs(signs @ sums) >= at_least).sum(axis=0)
    return (as_large + 1.0) / (resamples + 1.0)


def holm_adjusted(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p-values that allow for how many were computed (Holm, "A simple sequentially rejective ...", 1979)."""
    order = np.argsort(p_values, kind="stable")
    steps = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def _by_unit(values: NDArray[np.float64], units: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    sizes = np.bincount(units).astype(np.float64)
    sums = np.zeros((len(sizes), values.shape[1]))
    np.add.at(sums, units, values)
    return sums, sizes
