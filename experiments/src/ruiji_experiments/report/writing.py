"""Writes everything that tells of an experiment into one folder."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ruiji_experiments.report.documents import html_report, markdown_report
from ruiji_experiments.report.plots import plots_of
from ruiji_experiments.report.tables import facts_of, tables_of
from ruiji_experiments.report.verdict import verdict_json, verdict_of

if TYPE_CHECKING:
    from pathlib import Path

    from ruiji_experiments.analysis.results import ExperimentAnalysis


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """What was written."""

    markdown: Path
    """The report, for repositories and reviews."""
    html: Path
    """The report, for browsers and mail."""
    results: Path
    """All figures as JSON, for machines."""
    verdict: Path
    """Whether to trust it and whether to stop, as JSON, for machines."""


def write_report(analysis: ExperimentAnalysis, folder: Path) -> ReportFiles:
    """Write the report, its plots, its figures and its verdict.

    Args:
        analysis: what was found.
        folder: made if need be; files of the same names are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plots = plots_of(analysis)
    names = {caption: f"plot-{_slug(caption)}.png" for caption in plots}
    for caption, content in plots.items():
        (folder / names[caption]).write_bytes(content)
    title = f"Experiment {analysis.settings.experiment}"
    facts, tables, notes = facts_of(analysis), tables_of(analysis), verdict_of(analysis).reasons
    written = ReportFiles(
        folder / "report.md", folder / "report.html", folder / "results.json", folder / "verdict.json"
    )
    written.markdown.write_text(markdown_report(title, facts, notes, tables, names), encoding="utf-8")
    page = html_report(title, "Comparison of variants by Ruiji", facts, notes, tables, plots)
    written.html.write_text(page, encoding="utf-8")
    written.results.write_text(_json(asdict(analysis)), encoding="utf-8")
    written.verdict.write_text(_json(verdict_json(analysis)), encoding="utf-8")
    return written


def _json(value: object) -> str:
    return json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n"


def _plain(value: Any) -> Any:  # noqa: ANN401  (any JSON value)
    # JSON has no NaN: what is not known is null.
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def _slug(text: str) -> str:
    return re.sub(r"[\W_]+", "-", text.casefold()).strip("-")
