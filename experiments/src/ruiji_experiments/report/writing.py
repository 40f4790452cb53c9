"""Writes everything that tells of an experiment into one folder."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ruiji_experiments.report.documents import html_report, markdown_report
from ruiji_experiments.report.interleaved import (
    interleaved_facts,
    interleaved_reasons,
    interleaved_tables,
    interleaved_verdict_json,
)
from ruiji_experiments.report.interleaved_plots import interleaved_plots
from ruiji_experiments.report.plots import plots_of
from ruiji_experiments.report.tables import facts_of, tables_of
from ruiji_experiments.report.verdict import verdict_json, verdict_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ruiji_evaluation.documents.tables import Table

    from ruiji_experiments.analysis.results import ExperimentAnalysis
    from ruiji_experiments.interleaving.results import InterleavedAnalysis


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
    report = _Report(
        title=f"Experiment {analysis.settings.experiment}",
        subtitle="Comparison of variants by Ruiji",
        facts=facts_of(analysis),
        notes=verdict_of(analysis).reasons,
        tables=tables_of(analysis),
        plots=plots_of(analysis),
    )
    return _write(report, asdict(analysis), verdict_json(analysis), folder)


def write_interleaved_report(analysis: InterleavedAnalysis, folder: Path) -> ReportFiles:
    """Write the report of an interleaved experiment; see `write_report`."""
    report = _Report(
        title=f"Experiment {analysis.settings.experiment}",
        subtitle="Variants on the same pages, by Ruiji",
        facts=interleaved_facts(analysis),
        notes=interleaved_reasons(analysis),
        tables=interleaved_tables(analysis),
        plots=interleaved_plots(analysis),
    )
    results = asdict(analysis) | {"coins": asdict(analysis.coins), "preferred": analysis.preferred}
    return _write(report, results, interleaved_verdict_json(analysis), folder)


@dataclass(frozen=True, slots=True)
class _Report:
    """What people read."""

    title: str
    subtitle: str
    facts: Sequence[tuple[str, str]]
    notes: Sequence[str]
    tables: Sequence[Table]
    plots: Mapping[str, bytes]
    """Caption to PNG."""


def _write(report: _Report, results: object, verdict: object, folder: Path) -> ReportFiles:
    folder.mkdir(parents=True, exist_ok=True)
    names = {caption: f"plot-{_slug(caption)}.png" for caption in report.plots}
    for caption, content in report.plots.items():
        (folder / names[caption]).write_bytes(content)
    written = ReportFiles(
        folder / "report.md", folder / "report.html", folder / "results.json", folder / "verdict.json"
    )
    markdown = markdown_report(report.title, report.facts, report.notes, report.tables, names)
    written.markdown.write_text(markdown, encoding="utf-8")
    page = html_report(report.title, report.subtitle, report.facts, report.notes, report.tables, report.plots)
    written.html.write_text(page, encoding="utf-8")
    written.results.write_text(_json(results), encoding="utf-8")
    written.verdict.write_text(_json(verdict), encoding="utf-8")
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
