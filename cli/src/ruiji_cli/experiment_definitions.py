"""`ruiji experiment`, the part that asks a server: put, check, list, show, history, rollback, stop."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ruiji_cli.authors import Author, author_name
from ruiji_cli.console import ERR, OUT
from ruiji_cli.options import DEFAULT_TARGET, Target

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.timestamp_pb2 import Timestamp
    from ruiji_client import Experiment, ExperimentRevision, ExperimentStatus, RuijiClient, Variant

app = typer.Typer()

File = Annotated[
    Path,
    typer.Argument(exists=True, dir_okay=False, metavar="FILE.toml", help="As docs/experiments.md explains."),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Which; `ruiji experiment list` shows them.")]
Reason = Annotated[str, typer.Option("--reason", "-m", help="Why, for whoever reads the history.")]


@app.command()
def put(
    file: File,
    reason: Reason,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the experiment of that name instead of making a new one.")
    ] = False,
    author: Author = None,
    target: Target = DEFAULT_TARGET,
) -> None:
    """Put an experiment; servers take it up within a second, without a restart.

    Once it has begun only traffic, ramp, end and description can be replaced. `ruiji experiment check` looks first.
    """
    from ruiji_client import RuijiClient

    with RuijiClient(target) as client:
        experiment, revision = _defined(client, file, replace=replace)
        answer = client.put_experiment(
            experiment, author=author_name(author), reason=reason, expected_revision=revision
        )
    if not answer.changed:
        OUT.print(f"experiment {experiment.name} is just so already; nothing was done")
        return
    _print_status(answer.status)


@app.command()
def check(
    file: File,
    replace: Annotated[
        bool, typer.Option("--replace", help="As if it were to replace the experiment of that name.")
    ] = False,
    target: Target = DEFAULT_TARGET,
) -> None:
    """Check an experiment against the server and everything that runs there, and write nothing."""
    from ruiji_client import RuijiClient

    with RuijiClient(target) as client:
        experiment, revision = _defined(client, file, replace=replace)
        answer = client.put_experiment(
            experiment, author="check", reason="check", expected_revision=revision, validate_only=True
        )
    _print_status(answer.status)
    OUT.print(f"experiment {experiment.name} can be put; nothing was written")


@app.command("list")
def list_experiments(target: Target = DEFAULT_TARGET) -> None:
    """List experiments: where they stand, their layer, traffic and variants."""
    from ruiji_client import RuijiClient

    with RuijiClient(target) as client:
        experiments = client.list_experiments().experiments
    if not experiments:
        ERR.print("there are no experiments; `ruiji experiment put FILE.toml` makes one")
    table = Table()
    for heading in ("experiment", "stage", "layer", "traffic", "variants", "end"):
        table.add_column(heading, overflow="fold")
    for status in experiments:
        experiment = status.revision.experiment
        table.add_row(
            experiment.name,
            _stage(status),
            experiment.layer,
            _share(status.current_traffic_bp),
            _variants(experiment),
            _time(experiment.end) if experiment.HasField("end") else "",
        )
    OUT.print(table)


@app.command()
def show(name: Name, target: Target = DEFAULT_TARGET) -> None:
    """Show one experiment in full."""
    from ruiji_client import RuijiClient

    with RuijiClient(target) as client:
        _print_status(client.get_experiment(name).status)


@app.command()
def history(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only this one.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many at most.")] = 50,
    target: Target = DEFAULT_TARGET,
) -> None:
    """Show what was done to experiments, by whom and why, newest first."""
    from ruiji_client import RuijiClient

    with RuijiClient(target) as client:
        revisions = client.list_experiment_revisions(name, limit=limit).revisions
    table = Table(box=None, padding=(0, 1))
    table.add_column("revision", justify="right", no_wrap=True)
    for heading in ("when (UTC)", "experiment", "what", "who"):
        table.add_column(heading, no_wrap=True)
    table.add_column("why", overflow="fold")
    for revision in revisions:
        table.add_row(
            str(revision.revision),
            _time(revision.changed_at),
            revision.experiment.name,
            _action(revision),
            escape(revision.author),
            escape(revision.reason),
        )
    OUT.print(table)


@app.command()
def rollback(
    name: Name,
    reason: Reason,
    to: Annotated[int | None, typer.Option(min=1, help="Revision to return to.  [default: the one before]")] = None,
    author: Author = None,
    target: Target = DEFAULT_TARGET,
) -> None:
    """Put back what an experiment was before; repeat it to go back further."""
    from ruiji_client import RuijiClient

    with RuijiClient(target) as client:
        current = client.get_experiment(name).status.revision.revision
        answer = client.roll_back_experiment(
            name, from_revision=current, to_revision=to, author=author_name(author), reason=reason
        )
    restored = answer.status.revision.restored_revision
    OUT.print(f"experiment {name} is again what it was in revision {restored}")
    _print_status(answer.status)


@app.command()
def stop(name: Name, reason: Reason, author: Author = None, target: Target = DEFAULT_TARGET) -> None:
    """End an experiment now; everyone gets what the server does without it."""
    from ruiji_client import RuijiClient

    with RuijiClient(target) as client:
        answer = client.stop_experiment(name, author=author_name(author), reason=reason)
    ended = _time(answer.status.revision.experiment.end)
    OUT.print(f"experiment {name} {'ends' if answer.changed else 'ended already'}: {ended} UTC")


def _defined(client: RuijiClient, file: Path, *, replace: bool) -> tuple[Experiment, int]:
    """Return the experiment of a file, and the revision that it may replace; 0 for none."""
    from ruiji_experiments.definition.toml_file import experiment_from_toml
    from ruiji_server.services.experiment_messages import experiment_message

    text, now = file.read_text(encoding="utf-8"), datetime.now(UTC)
    wanted = experiment_from_toml(text, now)
    if not replace:
        return experiment_message(wanted), 0
    current = client.get_experiment(wanted.name).status.revision
    # Where the file names no start, it stays what it was.
    return experiment_message(experiment_from_toml(text, current.experiment.start.ToDatetime(UTC))), current.revision


def _print_status(status: ExperimentStatus) -> None:
    revision, experiment = status.revision, status.revision.experiment
    table = Table(title=f"experiment {experiment.name}", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in _facts(status):
        table.add_row(label, escape(value))
    OUT.print(table)
    variants = Table()
    for heading in ("variant", "share", "does"):
        variants.add_column(heading, overflow="fold")
    for variant in experiment.variants:
        share = "both on a page" if experiment.interleaved else _share(variant.share_bp)
        variants.add_row(variant.name, share, escape(_does(variant)))
    OUT.print(variants)
    if status.missing_encoder_ids and revision.revision:
        ERR.print(
            f"[yellow]warning:[/] nobody takes part in it: this server does not answer by "
            f"{', '.join(status.missing_encoder_ids)}"
        )


def _facts(status: ExperimentStatus) -> Iterable[tuple[str, str]]:
    revision, experiment = status.revision, status.revision.experiment
    yield "stage", _stage(status)
    if experiment.description:
        yield "description", experiment.description
    if experiment.interleaved:
        yield "interleaved", "each page is drawn from both variants by turns"
    yield "layer", experiment.layer
    yield "salt", experiment.salt
    steps = [f"{_share(experiment.traffic_bp)} from {_time(experiment.start)}"]
    steps += [f"{_share(step.traffic_bp)} from {_time(step.at)}" for step in experiment.ramp]
    yield "traffic", ", ".join(steps)
    yield "end", _time(experiment.end) if experiment.HasField("end") else "when it is stopped"
    for prefix in experiment.target.categories:
        yield "only category", " / ".join(prefix.path)
    for attribute in experiment.target.attributes:
        yield f"only {attribute.name}", " or ".join(attribute.values)
    if revision.revision:
        yield "revision", f"{revision.revision}, {_action(revision)} by {revision.author}: {revision.reason}"


def _variants(experiment: Experiment) -> str:
    if experiment.interleaved:
        return " + ".join(variant.name for variant in experiment.variants)
    return ", ".join(f"{variant.name} {_share(variant.share_bp)}" for variant in experiment.variants)


def _does(variant: Variant) -> str:
    settings = []
    if variant.encoder_id:
        settings.append(f"encoder {variant.encoder_id}")
    settings += [
        f"{name} {getattr(variant, name):g}"
        for name in ("max_price_ratio", "category_weight", "candidates")
        if variant.HasField(name)
    ]
    return ", ".join(settings) or "what the server does"


def _stage(status: ExperimentStatus) -> str:
    from ruiji_client import ExperimentStage

    return ExperimentStage.Name(status.stage).removeprefix("EXPERIMENT_STAGE_").lower()


def _action(revision: ExperimentRevision) -> str:
    from ruiji.v1.experiments_pb2 import ExperimentAction

    action = ExperimentAction.Name(revision.action).removeprefix("EXPERIMENT_ACTION_").lower().replace("_", " ")
    return f"{action} to {revision.restored_revision}" if revision.restored_revision else action


def _share(share_bp: int) -> str:
    return f"{share_bp / 100:g}%"


def _time(message: Timestamp) -> str:
    return message.ToDatetime().isoformat(sep=" ", timespec="seconds")
