"""The plots of a report, as PNG."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from ruiji_evaluation.documents.plotting import COLOURS, INK, LINE, WIDTH_INCHES, legend, png, short, style

from ruiji_experiments.analysis.results import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from matplotlib.axes import Axes

    from ruiji_experiments.analysis.results import ExperimentAnalysis, Interval, TestedLift

_SHORT = {"ctr": "CTR", "cvr": "CVR", "purchases_per_unit": "purchases per unit"}
_DAYS_NAMED = 10
"""Most dates along an axis."""

_WIDEST = 3.0
"""A lift beyond +300 % is cut off: one early day would squeeze all others."""


def plots_of(analysis: ExperimentAnalysis) -> dict[str, bytes]:
    """Draw what there is to draw; caption to PNG."""
    plots = {}
    if any(row.plain for row in analysis.lifts):
        plots["Lifts with their intervals"] = _lifts(analysis)
    for metric in METRICS:
        if len({point.day for point in analysis.timeline if point.metric == metric.name}) > 1:
            plots[f"{_SHORT[metric.name]} lift by day"] = _timeline(analysis, metric.name)
    for dimension in dict.fromkeys(row.dimension for row in analysis.segments):
        if any(row.plain for row in analysis.segments if (row.dimension, row.metric) == (dimension, "ctr")):
            plots[f"CTR lift by {dimension}"] = _segments(analysis, dimension)
    return plots


def _lifts(analysis: ExperimentAnalysis) -> bytes:
    rows = [row for row in analysis.lifts if row.plain]
    several = len(analysis.variants) > 2
    labels = [(f"{row.variant}: " if several else "") + _SHORT[row.metric] for row in rows]
    kinds: dict[str, list[TestedLift | None]] = {
        "one look": [row.plain for row in rows],
        "one look, by pre-period": [row.adjusted for row in rows],
        "always valid": [row.always_valid for row in rows],
    }
    intervals = {name: [one.lift if one else None for one in found] for name, found in kinds.items() if any(found)}
    return forest(labels, intervals, f"lift over {short(analysis.settings.control)}")


def _segments(analysis: ExperimentAnalysis, dimension: str) -> bytes:
    rows = [row for row in analysis.segments if (row.dimension, row.metric) == (dimension, "ctr")]
    labels = list(dict.fromkeys(row.label for row in rows))
    by_variant: dict[str, dict[str, Interval | None]] = {}
    for row in rows:
        by_variant.setdefault(row.variant, {})[row.label] = row.plain.lift if row.plain else None
    intervals = {variant: [found.get(label) for label in labels] for variant, found in by_variant.items()}
    return forest(labels, intervals, f"CTR lift over {short(analysis.settings.control)}")


def forest(
    labels: Sequence[str], intervals: Mapping[str, Sequence[Interval | None]], title: str, *, as_share: bool = True
) -> bytes:
    """Draw estimates with their intervals, a row for each label.

    Args:
        labels: of the rows.
        intervals: by kind, one for each row.
        title: of the axis.
        as_share: whether to write values in percent.
    """
    with style():
        height = 1.0 + len(labels) * (0.26 + 0.16 * len(intervals))
        canvas = Figure(figsize=(WIDTH_INCHES, height), layout="constrained")
        axes = canvas.subplots()
        for number, (name, found) in enumerate(intervals.items()):
            places = np.arange(len(labels)) + (number - (len(intervals) - 1) / 2) * 0.6 / len(intervals)
            here = [(place, one) for place, one in zip(places, found, strict=True) if one is not None]
            axes.errorbar(
                [one.value for _, one in here],
                [place for place, _ in here],
                xerr=errors([one for _, one in here]),
                fmt="o",
                markersize=4.5,
                elinewidth=1.3,
                color=COLOURS[(number + 1) % len(COLOURS)],
                label=short(name),
            )
        axes.set_yticks(range(len(labels)), [short(label) for label in labels])
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.axvline(0, color=INK, linewidth=1)
        axes.grid(axis="x", color=LINE, linewidth=0.7)
        if as_share:
            axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_xlabel(title)
        _cut(axes, "x", [one for found in intervals.values() for one in found if one is not None])
        legend(canvas, len(intervals))
        return png(canvas)


def _timeline(analysis: ExperimentAnalysis, metric: str) -> bytes:
    points = [point for point in analysis.timeline if point.metric == metric]
    with style():
        canvas = Figure(figsize=(WIDTH_INCHES, 3.6), layout="constrained")
        axes = canvas.subplots()
        variants = list(dict.fromkeys(point.variant for point in points))
        for number, variant in enumerate(variants):
            mine = [point for point in points if point.variant == variant]
            # Beside each other, so that no interval hides another.
            days = np.array([point.day.toordinal() for point in mine]) + 0.12 * (number - (len(variants) - 1) / 2)
            colour = COLOURS[(number + 1) % len(COLOURS)]
            axes.fill_between(
                days,
                [point.always_valid.low for point in mine],
                [point.always_valid.high for point in mine],
                color=colour,
                alpha=0.16,
                linewidth=0,
                label=f"{short(variant)}: always valid",
            )
            axes.errorbar(
                days,
                [point.plain.value for point in mine],
                yerr=errors([point.plain for point in mine]),
                fmt="o-",
                markersize=4,
                linewidth=1.2,
                elinewidth=1.2,
                color=colour,
                label=f"{short(variant)}: one look",
            )
        axes.axhline(0, color=INK, linewidth=1)
        axes.grid(axis="y", color=LINE, linewidth=0.7)
        axes.set_xticks(*day_ticks(point.day for point in points))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_ylabel(f"{_SHORT[metric]} lift")
        _cut(axes, "y", [point.always_valid for point in points])
        legend(canvas, 2 * len(variants))
        return png(canvas)


def day_ticks(days: Iterable[date]) -> tuple[list[int], list[str]]:
    """Return where along an axis of days to write which dates, not too many."""
    shown = sorted(set(days))
    shown = shown[:: math.ceil(len(shown) / _DAYS_NAMED)]
    return [day.toordinal() for day in shown], [f"{day:%m-%d}" for day in shown]


def errors(intervals: Sequence[Interval]) -> list[list[float]]:
    """Return the arms of intervals as `errorbar` wants them, shape (2, intervals)."""
    return [[one.value - one.low for one in intervals], [one.high - one.value for one in intervals]]


def _cut(axes: Axes, which: str, intervals: Sequence[Interval]) -> None:
    if max(one.high for one in intervals) > _WIDEST:
        most = max(_WIDEST, 1.2 * max(one.value for one in intervals))
        axes.set(**{f"{which}lim": (min(-0.2, *(one.low for one in intervals)), most)})
