"""The plots of a report, as PNG."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from ruiji_evaluation.comparison import Comparison, Figure

_COLOURS = ("#6a655f", "#b8372b", "#2f6f8f", "#c58b2a", "#4f7d4a", "#7a5195", "#a0522d", "#3f4f9f")
"""The baseline's grey first; told apart by people who do not tell red from green."""

_INK, _LINE = "#1f1d1b", "#d9d3c9"
_DPI = 130
_WIDTH_INCHES = 9.2
_LABEL_LENGTH = 34

_FONTS = ("DejaVu Sans", "Noto Sans CJK JP", "IPAexGothic", "Hiragino Sans", "Yu Gothic")
"""Tried glyph by glyph, as far as they are installed; categories are often Japanese."""


def measures_plot(comparison: Comparison) -> bytes:
    """Draw every measure of every encoder as bars with intervals."""
    names = list(comparison.figures)
    with _style():
        canvas = Canvas(figsize=(_WIDTH_INCHES, 4.2), layout="constrained")
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
                color=_COLOURS[row % len(_COLOURS)],
                error_kw={"elinewidth": 1, "ecolor": _INK},
                label=_short(name),
            )
        axes.set_xticks(places, comparison.measures)
        axes.set_ylim(bottom=0)
        axes.grid(axis="y", color=_LINE, linewidth=0.7)
        _legend(canvas, len(names))
        return _png(canvas)


def slices_plots(comparison: Comparison) -> dict[str, bytes]:
    """Draw, for each slicing, the differences from the baseline in each slice with their intervals; PNG by slicing."""
    others = [name for name in comparison.figures if name != comparison.baseline]
    if not others:
        return {}
    plots = {}
    for slicing in dict.fromkeys(part.slicing for part in comparison.slices):
        parts = [part for part in comparison.slices if part.slicing == slicing]
        with _style():
            height = 1.1 + len(parts) * (0.24 + 0.15 * len(others))
            canvas = Canvas(figsize=(_WIDTH_INCHES, height), layout="constrained")
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
                    color=_COLOURS[(row + 1) % len(_COLOURS)],
                    label=_short(name),
                )
            axes.set_yticks(range(len(parts)), [f"{_short(part.label)}  ({part.queries})" for part in parts])
            axes.invert_yaxis()
            axes.axvline(0, color=_INK, linewidth=1)
            axes.grid(axis="x", color=_LINE, linewidth=0.7)
            axes.set_ylabel(f"{slicing} (queries)")
            axes.set_xlabel(f"{comparison.measures[0]}: difference from {_short(comparison.baseline)}")
            _legend(canvas, len(others))
            plots[slicing] = _png(canvas)
    return plots


def _baseline_first(names: Sequence[str], baseline: str) -> list[str]:
    return [baseline, *(name for name in names if name != baseline)]


def _errors(figures: Sequence[Figure]) -> list[list[float]]:
    # A percentile interval need not hold the mean; a bar cannot be drawn backwards.
    return [
        [max(figure.mean - figure.low, 0.0) for figure in figures],
        [max(figure.high - figure.mean, 0.0) for figure in figures],
    ]


def _short(text: str) -> str:
    # A dollar sign would start a formula.
    shown = text if len(text) <= _LABEL_LENGTH else text[: _LABEL_LENGTH - 1] + "…"
    return shown.replace("$", r"\$")


def _legend(canvas: Canvas, entries: int) -> None:
    canvas.legend(loc="outside upper left", ncols=min(entries, 4), frameon=False)


def _style() -> AbstractContextManager[None]:
    installed = set(font_manager.get_font_names())
    return mpl.rc_context(
        {
            "font.family": [name for name in _FONTS if name in installed],
            "font.size": 9.5,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": _LINE,
            "axes.axisbelow": True,
            "text.color": _INK,
            "axes.labelcolor": _INK,
            "xtick.color": _INK,
            "ytick.color": _INK,
            "ytick.major.size": 0,
            "xtick.major.size": 0,
        }
    )


def _png(canvas: Canvas) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        # Letters that no installed font has become boxes; that is no reason to have no plot.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        FigureCanvasAgg(canvas)
        canvas.savefig(file, format="png", dpi=_DPI, metadata={"Software": None})
    return file.getvalue()
