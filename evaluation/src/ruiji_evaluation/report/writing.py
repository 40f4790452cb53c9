"""Writes everything that tells of an evaluation into one folder."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ruiji_evaluation.report.examples import wins_and_losses
from ruiji_evaluation.report.html import examples_page, html_report
from ruiji_evaluation.report.markdown import markdown_report
from ruiji_evaluation.report.plots import measures_plot, slices_plots

if TYPE_CHECKING:
    from pathlib import Path

    from ruiji_evaluation.evaluation import Evaluation
    from ruiji_evaluation.pictures import Pictures


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """What was written."""

    markdown: Path
    """The report, for repositories and reviews."""
    html: Path
    """The report, for browsers and mail."""
    results: Path
    """All figures as JSON, for machines."""
    pages: tuple[Path, ...]
    """Wins and losses in pictures, one page for each encoder but the baseline."""


def write_report(evaluation: Evaluation, folder: Path, files: Pictures) -> ReportFiles:
    """Write the report, its plots, its pages and its figures.

    Args:
        evaluation: what was found.
        folder: made if need be; files of the same names are replaced.
        files: where the pictures are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    comparison = evaluation.comparison
    plots = {"Measures with their intervals": measures_plot(comparison)}
    plots |= {f"{comparison.measures[0]} by {name}": png for name, png in slices_plots(comparison).items()}
    plot_names = {caption: f"plot-{_slug(caption)}.png" for caption in plots}
    for caption, png in plots.items():
        (folder / plot_names[caption]).write_bytes(png)

    pages = {name: f"wins-and-losses-{_slug(name)}.html" for name in comparison.differences}
    for encoder, page in pages.items():
        wins, losses = wins_and_losses(evaluation, encoder)
        (folder / page).write_text(examples_page(evaluation, encoder, wins, losses, files), encoding="utf-8")
    written = ReportFiles(
        folder / "report.md",
        folder / "report.html",
        folder / "results.json",
        tuple(folder / page for page in pages.values()),
    )
    written.markdown.write_text(markdown_report(evaluation, plot_names, pages), encoding="utf-8")
    written.html.write_text(html_report(evaluation, plots, pages), encoding="utf-8")
    written.results.write_text(json.dumps(_results(evaluation), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return written


def _results(evaluation: Evaluation) -> dict[str, object]:
    return {
        "title": evaluation.title,
        "facts": dict(evaluation.facts),
        "notes": list(evaluation.notes),
        "left_out": dict(evaluation.left_out),
        "encoders": [asdict(encoder) for encoder in evaluation.encoders],
        "comparison": asdict(evaluation.comparison),
    }


def _slug(text: str) -> str:
    # Letters of other alphabets stay: two names must not fall together.
    return re.sub(r"[\W_]+", "-", text.casefold()).strip("-") or "encoder"
