"""`ruiji experiment report` for an experiment whose variants shared their pages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from ruiji_cli.console import ERR, OUT, StageBars
from ruiji_cli.failures import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ruiji_experiments.analysis.settings import AnalysisSettings
    from ruiji_experiments.interleaving.results import InterleavedAnalysis


def report_interleaved(events: str, settings: AnalysisSettings, out: Path, given: Mapping[str, object]) -> None:
    """Write the report of an interleaved experiment, and show what was found.

    Args:
        events: folder or URL of the events' tables.
        settings: what is asked.
        out: folder for the report.
        given: options by name that only comparisons of units' variants have, with their values.

    Raises:
        UsageProblem: one of these was given.
    """
    from ruiji_experiments.interleaving.analysing import analyse_interleaved
    from ruiji_experiments.report import write_interleaved_report
    from ruiji_experiments.report.interleaved import interleaved_reasons, result_text

    meaningless = [name for name, value in given.items() if value]
    if meaningless:
        raise UsageProblem(
            f"{settings.experiment} is interleaved: both variants have a part in every page, so there are no lifts, "
            f"guardrails, segments or shares of units. Leave out {', '.join(meaningless)}"
        )
    analysis = analyse_interleaved(events, settings, stages=StageBars())
    written = write_interleaved_report(analysis, out)
    OUT.print(_table(analysis))
    OUT.print(result_text(analysis))
    OUT.print(f"report: {written.html} and {written.markdown}; verdict: {written.verdict}", soft_wrap=True)
    for reason in interleaved_reasons(analysis):
        ERR.print(f"[bold red]attention:[/] {reason}", soft_wrap=True)


def _table(analysis: InterleavedAnalysis) -> Table:
    from ruiji_evaluation.documents.tables import p_text
    from ruiji_experiments.report.interleaved import preference_text

    table = Table("by", "wins", "losses", "ties", "silent", "preference", "p")
    for one in analysis.judgements:
        votes = one.preference.votes
        counts = (f"{number:,}" for number in (votes.wins, votes.losses, votes.ties, votes.silent))
        table.add_row(one.event, *counts, preference_text(one), p_text(one.preference.p_value))
    control, treatment = analysis.teams
    table.caption = (
        f"units that did more with what {treatment.variant} picked (wins) than with what {control.variant} did; of "
        f"{analysis.units:,} units, {analysis.pages:,} pages"
    )
    return table
