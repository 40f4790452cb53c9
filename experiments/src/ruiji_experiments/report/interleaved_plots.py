"""The plots of an interleaved experiment's report, as PNG."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from ruiji_evaluation.documents.plotting import COLOURS, INK, LINE, WIDTH_INCHES, legend, png, short, style

from ruiji_experiments.analysis.results import Interval
from ruiji_experiments.report.plots import day_ticks, errors, forest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ruiji_experiments.interleaving.results import InterleavedAnalysis


def interleaved_plots(analysis: InterleavedAnalysis) -> dict[str, bytes]:
    """Draw what there is to draw; caption to PNG."""
    plots = {}
    decided = [one for one in analysis.judgements if one.preference.votes.decided]
    if decided:
        found = [one.preference for one in decided]
        kinds: Mapping[str, list[Interval | None]] = {
            "sign test": [Interval(one.preference, one.low, one.high) for one in found],
            "bootstrap": [one.bootstrap for one in decided],
        }
        intervals = {name: values for name, values in kinds.items() if any(values)}
        plots["Preferences with their intervals"] = forest(
            [f"by {one.event}" for one in decided], intervals, _axis(analysis), as_share=False
        )
    if len(analysis.timeline) > 1:
        plots["Preference by day"] = _timeline(analysis)
    return plots


def _timeline(analysis: InterleavedAnalysis) -> bytes:
    with style():
        canvas = Figure(figsize=(WIDTH_INCHES, 3.6), layout="constrained")
        axes = canvas.subplots()
        points = analysis.timeline
        axes.errorbar(
            [point.day.toordinal() for point in points],
            [point.preference.value for point in points],
            yerr=errors([point.preference for point in points]),
            fmt="o-",
            markersize=4,
            linewidth=1.2,
            elinewidth=1.2,
            color=COLOURS[1],
            label="by taps, at the end of each day: one look",
        )
        axes.axhline(0, color=INK, linewidth=1)
        axes.grid(axis="y", color=LINE, linewidth=0.7)
        axes.set_xticks(*day_ticks(point.day for point in points))
        axes.set_ylabel(_axis(analysis))
        legend(canvas, 1)
        return png(canvas)


def _axis(analysis: InterleavedAnalysis) -> str:
    control, treatment = (short(team.variant) for team in analysis.teams)
    return f"{control}  ←  preference  →  {treatment}"
