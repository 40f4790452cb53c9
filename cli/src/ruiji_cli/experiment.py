"""`ruiji experiment`: variants of recommendations, shown to shares of the people who ask."""

from __future__ import annotations

import typer

from ruiji_cli import experiment_definitions, experiment_demo, experiment_replay, experiment_report, experiment_size

app = typer.Typer(no_args_is_help=True, help="Compare variants of recommendations on live requests.")
app.add_typer(experiment_definitions.app)
app.add_typer(experiment_demo.app)
app.add_typer(experiment_report.app)
app.add_typer(experiment_replay.app)
app.add_typer(experiment_size.app)


@app.callback()
def experiment() -> None:
    """Compare variants of recommendations on live requests."""
