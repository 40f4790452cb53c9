"""`ruiji experiment report`: what an experiment found, from the events' tables."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from ruiji_cli.authors import Author, author_name
from ruiji_cli.console import ERR, OUT, StageBars
from ruiji_cli.event_options import EventsRoot, events_root
from ruiji_cli.failures import UsageProblem
from ruiji_cli.options import DEFAULT_DATA, DEFAULT_TARGET, DataFolder, Target
from ruiji_cli.report_interleaved import report_interleaved
from ruiji_cli.report_segments import Segment, segmentations

if TYPE_CHECKING:
    from ruiji_experiments.analysis.results import ExperimentAnalysis
    from ruiji_experiments.definition.model import Experiment
    from ruiji_experiments.report.verdict import Verdict

app = typer.Typer()

_AUTHOR = "ruiji experiment report"
_LONGEST_REASON = 1_000
"""Characters."""
_VIOLATED = 3
"""Exit code of a report by which the experiment should be stopped."""


@app.command()
def report(
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Its name in the events.")],
    data: DataFolder = DEFAULT_DATA,
    events: EventsRoot = None,
    control: Annotated[str, typer.Option(help="Variant that the others are compared with.")] = "control",
    definition: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="TOML file of the experiment: gives shares, start and end."),
    ] = None,
    share: Annotated[
        list[str] | None,
        typer.Option(metavar="VARIANT=SHARE", help="Planned share; may be repeated.  [default: equal shares, said so]"),
    ] = None,
    start: Annotated[
        datetime | None, typer.Option(help="First moment, UTC.  [default: the experiment's first request]")
    ] = None,
    end: Annotated[datetime | None, typer.Option(help="First moment after it, UTC.  [default: the log's end]")] = None,
    source: Annotated[
        Literal["auto", "client", "server"],
        typer.Option(help="Whose impressions; auto takes the client's where there are any."),
    ] = "auto",
    purchase_days: Annotated[
        float, typer.Option(min=0.01, help="A purchase belongs to a tap that is at most so many days ago.")
    ] = 7.0,
    pre_days: Annotated[
        float, typer.Option(min=0.0, help="Days before the start that explain how units differ; 0: none.")
    ] = 14.0,
    most_requests_per_day: Annotated[
        int, typer.Option(min=1, help="A unit with more on a day is a machine, and left out.")
    ] = 1000,
    winsorise: Annotated[
        float | None, typer.Option(help="Cap each unit's sums at this quantile, such as 0.999.  [default: do not]")
    ] = None,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.9999, help="Of intervals.")] = 0.95,
    expected_lift: Annotated[
        float, typer.Option(min=0.001, help="About how large an effect is; tunes the always-valid intervals.")
    ] = 0.2,
    resamples: Annotated[int, typer.Option(min=0, help="Of the bootstrap check; 0 leaves it out.")] = 2000,
    items: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Item table with item_id or id, for segments (.parquet, .csv, .tsv, .jsonl).",
        ),
    ] = None,
    segment: Annotated[
        list[Segment] | None,
        typer.Option(
            help="Divide by the looked-at item's category, price, or the category of the experiment's target; with "
            "--items; may be repeated.  [default: category and price]"
        ),
    ] = None,
    category_column: Annotated[str, typer.Option(help="Of the item table; its root divides.")] = "category_path",
    price_column: Annotated[str, typer.Option(help="Of the item table; divides into quartiles.")] = "price",
    correction: Annotated[Literal["holm", "bh"], typer.Option(help="Of p-values over segments.")] = "holm",
    latency_p50_margin: Annotated[float, typer.Option(min=0.001, help="Allowed harm, relative.")] = 0.10,
    latency_p95_margin: Annotated[float, typer.Option(min=0.001, help="Allowed harm, relative.")] = 0.20,
    short_pages_margin: Annotated[float, typer.Option(min=0.0001, help="Allowed harm, share of requests.")] = 0.005,
    errors_margin: Annotated[float, typer.Option(min=0.0001, help="Allowed harm, share of requests.")] = 0.002,
    out: Annotated[Path, typer.Option("--out", help="Folder for the report.")] = Path("build/experiment"),
    rollback_on_guardrail: Annotated[
        bool, typer.Option("--rollback-on-guardrail", help="Stop the experiment on the server if one is violated.")
    ] = False,
    publish: Annotated[
        bool, typer.Option("--publish", help="Send what was found to the server, so that the console shows it.")
    ] = False,
    author: Author = None,
    target: Target = DEFAULT_TARGET,
    fail_on_guardrail: Annotated[
        bool, typer.Option("--fail-on-guardrail", help=f"Exit with {_VIOLATED} if a guardrail is violated.")
    ] = False,
) -> None:
    """Compare an experiment's variants: CTR, CVR, guardrails, segments, and whether to believe it.

    Reads the Parquet tables of `ruiji events`; nothing else is needed. Writes report.md, report.html, results.json and
    verdict.json, in which `rollback` says whether a guardrail is violated; `--rollback-on-guardrail` acts on it. The
    always-valid intervals may be looked at as often as one likes; the others hold for one look. `--publish` sends the
    figures to the server, where the console and the API show them. docs/experiment-analysis.md explains every figure.

    Of an interleaved experiment it tells which variant was preferred: wins, losses and ties by unit, and a sign test.
    """
    from ruiji_experiments.analysis.analysing import analyse
    from ruiji_experiments.analysis.settings import AnalysisSettings, Margins
    from ruiji_experiments.interleaving.log import is_interleaved
    from ruiji_experiments.report import write_report
    from ruiji_experiments.report.verdict import verdict_of

    publisher = author_name(author) if publish else None
    now = datetime.now(UTC)
    plan = _definition(definition, experiment, now)
    shares = _shares(share)
    if plan is not None and not shares:
        shares = {variant.name: variant.share_bp / 10_000 for variant in plan.variants}
    settings = AnalysisSettings(
        experiment=experiment,
        control=control,
        shares=shares,
        start=_utc(start) or (plan.start if plan and plan.start < now else None),
        end=_utc(end) or (plan.end if plan else None),
        source=source,
        purchase_window_days=purchase_days,
        pre_period_days=pre_days,
        most_requests_per_day=most_requests_per_day,
        winsorise_at=winsorise,
        confidence=confidence,
        resamples=resamples,
        expected_lift=expected_lift,
        correction=correction,
        margins=Margins(latency_p50_margin, latency_p95_margin, short_pages_margin, errors_margin),
    )
    root = events_root(data, events)
    if is_interleaved(root, experiment):
        options = {
            "--share": share,
            "--items": items,
            "--segment": segment,
            "--rollback-on-guardrail": rollback_on_guardrail,
            "--fail-on-guardrail": fail_on_guardrail,
            "--publish": publish,
        }
        report_interleaved(root, settings, out, options)
        return
    parts = segmentations(segment, items, category_column, price_column, plan)
    analysis = analyse(root, settings, segmentations=parts, stages=StageBars())
    written = write_report(analysis, out)
    _show(analysis)
    OUT.print(f"report: {written.html} and {written.markdown}; verdict: {written.verdict}", soft_wrap=True)
    verdict = verdict_of(analysis)
    for reason in verdict.reasons:
        ERR.print(f"[bold red]attention:[/] {reason}", soft_wrap=True)
    if verdict.rollback and rollback_on_guardrail:
        stop_experiment(target, experiment, verdict)
    stops_script = verdict.rollback and fail_on_guardrail
    if publisher is not None:
        _publish(target, analysis, publisher, goes_on=stops_script)
    if stops_script:
        raise typer.Exit(_VIOLATED)


def stop_experiment(target: str, experiment: str, verdict: Verdict) -> None:
    """End an experiment on the server, so that everyone gets what it does without; the audit says why.

    Args:
        target: host:port of the server.
        experiment: its name.
        verdict: says why.
    """
    from ruiji_client import RuijiClient

    reason = " ".join(verdict.reasons)[:_LONGEST_REASON]
    with RuijiClient(target) as client:
        answer = client.stop_experiment(experiment, author=_AUTHOR, reason=reason)
    ERR.print(f"{experiment} {'was stopped' if answer.changed else 'had ended already'}", highlight=False)


def _show(analysis: ExperimentAnalysis) -> None:
    from ruiji_evaluation.documents.tables import p_text
    from ruiji_experiments.report.tables import lift_text

    table = Table("variant", "metric", "lift", "p", "always valid", "p")
    for row in analysis.lifts:
        p_values = ["" if one is None else p_text(one.p_value) for one in (row.plain, row.always_valid)]
        always = lift_text(row.always_valid, "too early")
        table.add_row(row.variant, row.metric, lift_text(row.plain, "no events"), p_values[0], always, p_values[1])
    table.caption = f"against {analysis.settings.control}; the report has more"
    OUT.print(table)


def _publish(target: str, analysis: ExperimentAnalysis, author: str, *, goes_on: bool) -> None:
    """Publish a report; if the command has a more important exit code to give, a failure is only said."""
    from ruiji_client import RuijiClientError

    from ruiji_cli.report_publishing import publish_report

    try:
        published = publish_report(target, analysis, author)
    except (UsageProblem, RuijiClientError) as error:
        if not goes_on:
            raise
        ERR.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        return
    OUT.print(f"published: report {published.number} of {published.experiment}; `ruiji console` shows it")


def _definition(file: Path | None, name: str, now: datetime) -> Experiment | None:
    """Read a definition; one that names no start gets `now`, and only the server knows when it began."""
    from ruiji_experiments.definition.toml_file import experiment_from_toml

    if file is None:
        return None
    found = experiment_from_toml(file.read_text(encoding="utf-8"), now)
    if found.name != name:
        raise UsageProblem(f"{file} defines the experiment {found.name!r}, not {name!r}")
    return found


def _shares(given: list[str] | None) -> dict[str, float]:
    shares = {}
    for text in given or []:
        variant, _, share = text.partition("=")
        try:
            shares[variant] = float(share)
        except ValueError:
            raise UsageProblem(f"--share must be VARIANT=SHARE, such as control=0.5, not {text!r}") from None
    return shares


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=moment.tzinfo or UTC)
