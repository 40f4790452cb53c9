"""The plots of a report, as PNG."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure as Canvas

from ruiji_evaluation.documents.plotting import COLOURS, INK, LINE, WIDTH_INCHES, legend, png, short, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ruiji_evaluation.comparison import Comparison, Figure


def measures_plot(comparison: Comparison) -> bytes:
    """Draw every measure of every encoder as bars with intervals."""
    names = list(comparison.figures)
    with style():
        canvas = Canvas(figsize=(WIDTH_INCHES, 4.2), layout="constrained")
        axes = canvas.subplots()
        width = 0.82 / len(names)
        places = np.arange(len(comparison.measures))
        for row, name in enumerate(_baseline_first(names, comparison.baseline)):
            figures = comparison.figures[name]
            axes.bar(
                places + (row - (len(names) - 1) / 2) * width,
                [figure.mean for figure in figures],
                width * 0.92,
                yerr=_errors(figures),
                color=COLOURS[row % len(COLOURS)],
                error_kw={"elinewidth": 1, "ecolor": INK},
                label=short(name),
            )
        axes.set_xticks(places, comparison.measures)
        axes.set_ylim(bottom=0)
        axes.grid(axis="y", color=LINE, linewidth=0.7)
        legend(canvas, len(names))
        return png(canvas)


def slices_plots(comparison: Comparison) -> dict[str, bytes]:
    """Draw, for each slicing, the differences from the baseline in each slice with their intervals; PNG by slicing."""
    others = [name for name in comparison.figures if name != comparison.baseline]
    if not others:
        return {}
    plots = {}
    for slicing in dict.fromkeys(part.slicing for part in comparison.slices):
        parts = [part for part in comparison.slices if part.slicing == slicing]
        with style():
            height = 1.1 + len(parts) * (0.24 + 0.15 * len(others))
            canvas = Canvas(figsize=(WIDTH_INCHES, height), layout="constrained")
            axes = canvas.subplots()
            for row, name in enumerate(others):
                figures = [part.differences[name] for part in parts]
                axes.errorbar(
                    [figure.mean for figure in figures],
                    np.arange(len(parts)) + (row - (len(others) - 1) / 2) * 0.7 / len(others),
                    xerr=_errors(figures),
                    fmt="o",
                    markersize=4.5,
                    elinewidth=1.3,
                    color=COLOURS[(row + 1) % len(COLOURS)],
                    label=short(name),
                )
            axes.set_yticks(range(len(parts)), [f"{short(part.label)}  ({part.queries})" for part in parts])
            axes.invert_yaxis()
            axes.axvline(0, color=INK, linewidth=1)
            axes.grid(axis="x", color=LINE, linewidth=0.7)
            axes.set_ylabel(f"{slicing} (queries)")
            axes.set_xlabel(f"{comparison.measures[0]}: difference from {short(comparison.baseline)}")
            legend(canvas, len(others))
            plots[slicing] = png(canvas)
    return plots


def _baseline_first(names: Sequence[str], baseline: str) -> list[str]:
    return [baseline, *(name for name in names if name != baseline)]


def _errors(figures: Sequence[Figure]) -> list[list[float]]:
    # A percentile interval need not hold the mean; a bar cannot be drawn backwards.
    return [
        [max(figure.mean - figure.low, 0.0) for figure in figures],
        [max(figure.high - figure.mean, 0.0) for figure in figures],
    ]
