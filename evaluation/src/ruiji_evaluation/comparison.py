"""From each query's values to figures: means with intervals, differences from the baseline, and slices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ruiji_evaluation.statistics import bootstrap_means, holm_adjusted, percentile_interval, randomisation_p_values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ruiji_evaluation.slices import Slicing


@dataclass(frozen=True, slots=True)
class ResamplingSettings:
    """How intervals and p-values come about."""

    resamples: int = 2_000
    """Of bootstrap and of randomisation test."""
    confidence: float = 0.95
    """Of intervals."""
    seed: int = 0
    """The same data and seed give the same report."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over queries and its interval."""

    mean: float
    """Over all queries."""
    low: float
    """Lower bound."""
    high: float
    """Upper bound."""


@dataclass(frozen=True, slots=True)
class Difference:
    """An encoder's mean minus the baseline's on the same queries."""

    absolute: Figure
    """In the measure's own unit."""
    relative: Figure | None
    """As a share of the baseline's mean; None where that is 0 in some resample."""
    p_value: float
    """Of a randomisation test."""
    p_holm: float
    """The same, allowing for the number of encoders compared (Holm)."""


@dataclass(frozen=True, slots=True)
class SliceFigures:
    """The first measure in one slice."""

    slicing: str
    """What the queries were divided by."""
    label: str
    """Which part."""
    queries: int
    """Number of queries in it."""
    means: Mapping[str, Figure]
    """By encoder."""
    differences: Mapping[str, Figure]
    """By encoder but the baseline: absolute difference of means."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that was computed about the encoders."""

    baseline: str
    """Name of the encoder that the others are compared with."""
    measures: tuple[str, ...]
    """Names; the first is that of slices, wins and losses."""
    queries: int
    """Number of queries behind each mean."""
    units: int
    """Number of independent units they come from: users where the log knows them."""
    figures: Mapping[str, tuple[Figure, ...]]
    """By encoder, in the order of the measures."""
    differences: Mapping[str, tuple[Difference, ...]]
    """By encoder but the baseline, in the order of the measures."""
    slices: tuple[SliceFigures, ...]
    """Of the first measure."""


def compare(
    values: Mapping[str, NDArray[np.float64]],
    baseline: str,
    measures: Sequence[str],
    settings: ResamplingSettings,
    *,
    units: NDArray[np.int64] | None = None,
    slicings: Sequence[Slicing] = (),
) -> Comparison:
    """Compare encoders on the same queries.

    Args:
        values: by encoder, one row for each query, shape (queries, measures), float64.
        baseline: one of the encoders.
        measures: names, in the order of the columns.
        settings: see there.
        units: whose query it is, shape (queries,); by default each query is a unit of its own.
        slicings: divisions of the queries, reported for the first measure.
    """
    names, width = list(values), len(measures)
    stacked = np.concatenate([values[name] for name in names], axis=1)
    numbered = _numbered(np.arange(len(stacked)) if units is None else units)
    rng = np.random.default_rng(settings.seed)
    resampled = bootstrap_means(stacked, numbered, settings.resamples, rng)
    column = {name: slice(row * width, (row + 1) * width) for row, name in enumerate(names)}
    others = [name for name in names if name != baseline]
    p_values = _p_values(values, others, baseline, numbered, settings, rng)
    p_holm = np.apply_along_axis(holm_adjusted, 0, p_values) if others else p_values
    return Comparison(
        baseline=baseline,
        measures=tuple(measures),
        queries=len(stacked),
        units=int(numbered.max()) + 1,
        figures={name: _figures(values[name].mean(axis=0), resampled[:, column[name]], settings) for name in names},
        differences={
            name: _differences(
                values[name].mean(axis=0),
                values[baseline].mean(axis=0),
                resampled[:, column[name]],
                resampled[:, column[baseline]],
                p_values[row],
                p_holm[row],
                settings,
            )
            for row, name in enumerate(others)
        },
        slices=tuple(
            _slice(values, baseline, slicing, number, numbered, settings)
            for slicing in slicings
            for number in range(len(slicing.labels))
        ),
    )


def _numbered(units: NDArray[np.int64]) -> NDArray[np.int64]:
    _, numbers = np.unique(units, return_inverse=True)
    return np.asarray(numbers, np.int64)


def _p_values(
    values: Mapping[str, NDArray[np.float64]],
    others: Sequence[str],
    baseline: str,
    units: NDArray[np.int64],
    settings: ResamplingSettings,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    if not others:
        return np.ones((0, values[baseline].shape[1]))
    differences = np.concatenate([values[name] - values[baseline] for name in others], axis=1)
    return randomisation_p_values(differences, units, settings.resamples, rng).reshape(len(others), -1)


def _figures(
    means: NDArray[np.float64], resampled: NDArray[np.float64], settings: ResamplingSettings
) -> tuple[Figure, ...]:
    low, high = percentile_interval(resampled, settings.confidence)
    return tuple(
        Figure(float(mean), float(below), float(above)) for mean, below, above in zip(means, low, high, strict=True)
    )


def _differences(
    means: NDArray[np.float64],
    baseline: NDArray[np.float64],
    resampled: NDArray[np.float64],
    resampled_baseline: NDArray[np.float64],
    p_values: NDArray[np.float64],
    p_holm: NDArray[np.float64],
    settings: ResamplingSettings,
) -> tuple[Difference, ...]:
    absolute = _figures(means - baseline, resampled - resampled_baseline, settings)
    never_zero = (resampled_baseline > 0).all(axis=0) & (baseline > 0)
    divisor, resampled_divisor = np.where(never_zero, baseline, 1.0), np.where(never_zero, resampled_baseline, 1.0)
    relative = _figures(means / divisor - 1.0, resampled / resampled_divisor - 1.0, settings)
    return tuple(
        Difference(absolute[row], relative[row] if never_zero[row] else None, float(p_values[row]), float(p_holm[row]))
        for row in range(len(means))
    )


def _slice(
    values: Mapping[str, NDArray[np.float64]],
    baseline: str,
    slicing: Slicing,
    number: int,
    units: NDArray[np.int64],
    settings: ResamplingSettings,
) -> SliceFigures:
    inside = slicing.member == number
    firsts = np.stack([table[inside, 0] for table in values.values()], axis=1)
    # Every slice has its own stream, so that one slice more does not move the figures of another.
    rng = np.random.default_rng([settings.seed, number])
    resampled = bootstrap_means(firsts, _numbered(units[inside]), settings.resamples, rng)
    means = firsts.mean(axis=0)
    at = list(values).index(baseline)
    figures = _figures(means, resampled, settings)
    differences = _figures(means - means[at], resampled - resampled[:, [at]], settings)
    return SliceFigures(
        slicing=slicing.name,
        label=slicing.labels[number],
        queries=int(inside.sum()),
        means=dict(zip(values, figures, strict=True)),
        differences={name: figure for name, figure in zip(values, differences, strict=True) if name != baseline},
    )
