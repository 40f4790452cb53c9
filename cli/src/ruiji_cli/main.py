"""The root of the `ruiji` command."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from ruiji_cli import (
    catalog,
    console_page,
    demo,
    encoder,
    evaluate,
    evaluate_events,
    events,
    experiment,
    index,
    loadtest,
    rollout,
    serve,
    similar,
    store,
    triton,
    up,
    worker,
)
from ruiji_cli.config_file import defaults_from
from ruiji_cli.console import OUT, set_up_logging
from ruiji_cli.failures import explained_failures

app = typer.Typer(
    name="ruiji",
    help="Visually similar items for a marketplace.\n\n"
    "New here? `ruiji demo` shows everything on a rendered catalogue. With a catalogue of your own: "
    "`ruiji catalog import`, then `ruiji up`, then `ruiji similar`.\n\n"
    "Every option can come from the command line, from the environment, or from a TOML file given with --config, "
    "in this order of precedence.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="markdown",
)
app.add_typer(catalog.app, name="catalog")
encoder.app.add_typer(rollout.app)
app.add_typer(encoder.app, name="encoder")
evaluate.app.command(name="events")(evaluate_events.events)
app.add_typer(evaluate.app, name="eval")
app.add_typer(events.app, name="events")
app.add_typer(experiment.app, name="experiment")
app.add_typer(index.app, name="index")
app.add_typer(store.app, name="store")
app.add_typer(worker.app, name="worker")
app.command(name="triton")(triton.triton)
app.command(name="serve")(serve.serve)
app.command(name="similar")(similar.similar)
app.command(name="up")(up.up)
app.command(name="console")(console_page.console)
app.command(name="demo")(demo.demo)
app.command(name="loadtest")(loadtest.loadtest)


def _show_version(*, wanted: bool) -> None:
    if wanted:
        OUT.print(f"ruiji {version('ruiji')}")
        raise typer.Exit


def _version_callback(value: bool) -> None:
    _show_version(wanted=value)


@app.callback()
def root(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(envvar="RUIJI_CONFIG", help="TOML file with defaults for options, by command.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens inside.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_version_callback, is_eager=True, help="Print the release and exit.")
    ] = False,
) -> None:
    """Read the configuration file before any command looks at its options."""
    set_up_logging(verbose=verbose)
    if config is not None:
        context.default_map = defaults_from(config, context.command)


def main() -> None:
    """Run the command."""
    with explained_failures():
        app()


if __name__ == "__main__":
    main()
