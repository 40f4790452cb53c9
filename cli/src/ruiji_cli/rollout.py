"""`ruiji encoder`, the part that works on a store: replacing an encoder while the old one serves."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.live import Live
from rich.table import Table

from ruiji_cli.console import ERR, OUT, bar
from ruiji_cli.failures import UsageProblem
from ruiji_cli.options import DEFAULT_DATA, DataFolder, GenerationsFolder, StoreUrl, generations_folder, store_url

if TYPE_CHECKING:
    from ruiji_server.store.encoders import RegisteredEncoder
    from ruiji_server.store.engine import Database

app = typer.Typer()

_PANEL = "Replacing the encoder of a running installation"
_WATCH_S = 2.0
EncoderArgument = Annotated[str, typer.Argument(metavar="ENCODER_ID", help="Which; `ruiji encoder list` shows them.")]


@app.command("list", rich_help_panel=_PANEL)
def list_encoders(
    data: DataFolder = DEFAULT_DATA, store: StoreUrl = None, generations: GenerationsFolder = None
) -> None:
    """List the encoders of the store: state, share of requests, bound on the rate, published generation."""
    from ruiji_server.generations.directory import GenerationDirectory
    from ruiji_server.store.encoders import registered_encoders

    database = _open(data, store)
    published = GenerationDirectory(generations_folder(data, generations)).published()
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("encoder", "state", "share", "rate", "generation"):
        table.add_column(heading, no_wrap=True)
    encoders = registered_encoders(database)
    others = sum(encoder.request_share for encoder in encoders)
    for encoder in encoders:
        share = 1.0 - others if encoder.state == "promoted" else encoder.request_share
        table.add_row(
            encoder.encoder_id,
            encoder.state,
            f"{share:.1%}",
            "" if encoder.rate_per_s is None else f"{encoder.rate_per_s:g}/s",
            published.get(encoder.encoder_id, ""),
        )
    OUT.print(table)


@app.command(rich_help_panel=_PANEL)
def register(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The encoder's folder.")],
    data: DataFolder = DEFAULT_DATA,
    store: StoreUrl = None,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Most pictures a second, over all workers.  [default: no bound]")
    ] = None,
    revive: Annotated[
        bool,
        typer.Option(
            "--revive", help="Make a retired encoder active again; build its generation anew if it was collected."
        ),
    ] = False,
) -> None:
    """Make an encoder known, so that workers embed the whole catalogue with it in the background.

    The first encoder of a store is promoted at once. Triton must serve the encoder, and a worker must run for it:
    `ruiji worker run --encoder-id`. New listings of the promoted encoder come first.
    """
    from ruiji_encoding.manifest import read_manifest
    from ruiji_server.store.encoders import active_encoders, register_encoder
    from ruiji_server.store.rollout import set_rate

    manifest = read_manifest(folder)
    database = _open(data, store)
    with ERR.status("Giving tasks"):
        register_encoder(database, manifest.encoder_id, manifest.name, manifest.dimensions, revive=revive)
    if rate is not None:
        set_rate(database, manifest.encoder_id, rate)
    [state] = [known.state for known in active_encoders(database) if known.encoder_id == manifest.encoder_id]
    OUT.print(f"encoder {manifest.encoder_id} is {state}; `ruiji encoder status` shows how far it is")


@app.command(rich_help_panel=_PANEL)
def status(
    encoder_id: Annotated[str | None, typer.Argument(metavar="[ENCODER_ID]", help="Only this one.")] = None,
    data: DataFolder = DEFAULT_DATA,
    store: StoreUrl = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on showing it until Ctrl-C.")] = False,
) -> None:
    """Show how far each encoder has embedded the catalogue, how fast, and when it will be done."""
    database = _open(data, store)
    if not watch:
        OUT.print(_progress_table(database, encoder_id))
        return
    with Live(_progress_table(database, encoder_id), console=OUT, auto_refresh=False) as live:
        while True:
            time.sleep(_WATCH_S)
            live.update(_progress_table(database, encoder_id), refresh=True)


@app.command(rich_help_panel=_PANEL)
def share(
    encoder_id: EncoderArgument,
    requests: Annotated[float, typer.Argument(min=0.0, max=1.0, metavar="SHARE", help="0 to 1; 0 takes it away.")],
    data: DataFolder = DEFAULT_DATA,
    store: StoreUrl = None,
) -> None:
    """Let an active encoder answer a share of the requests that name none; always the same queries."""
    from ruiji_server.store.rollout import set_share

    set_share(_open(data, store), encoder_id, requests)
    OUT.print(f"encoder {encoder_id} answers {requests:.1%} of the requests, once its generation is loaded")


@app.command(rich_help_panel=_PANEL)
def rate(
    encoder_id: EncoderArgument,
    per_second: Annotated[float, typer.Argument(min=0.0, metavar="PICTURES", help="A second; 0 for no bound.")],
    data: DataFolder = DEFAULT_DATA,
    store: StoreUrl = None,
) -> None:
    """Bound how fast all workers together embed with an active encoder. Running workers keep to it at once."""
    from ruiji_server.store.rollout import set_rate

    set_rate(_open(data, store), encoder_id, per_second or None)
    OUT.print(f"encoder {encoder_id}: {f'{per_second:g} pictures a second' if per_second else 'no bound'}")


@app.command(rich_help_panel=_PANEL)
def promote(
    encoder_id: EncoderArgument,
    data: DataFolder = DEFAULT_DATA,
    store: StoreUrl = None,
    generations: GenerationsFolder = None,
    least_done: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the catalogue that must be embedded.")
    ] = 0.99,
) -> None:
    """Let an encoder answer every request that names no other. Servers follow within a second, without a restart.

    Needs a published generation of the encoder. The one before stays active and up to date: `ruiji encoder rollback`
    takes it back.
    """
    from ruiji_server.generations.directory import GenerationDirectory
    from ruiji_server.store.embedding_progress import embedding_progress
    from ruiji_server.store.rollout import promote as promote_in

    database = _open(data, store)
    progress = embedding_progress(database, encoder_id)
    if progress.done_share < least_done:
        raise UsageProblem(
            f"encoder {encoder_id} has embedded {progress.done_share:.1%} of the catalogue; wait until it is "
            f"{least_done:.1%}, or lower --least-done"
        )
    if GenerationDirectory(generations_folder(data, generations)).current_id(encoder_id) is None:
        raise UsageProblem(
            f"encoder {encoder_id} has no generation; `ruiji index build --encoder-id {encoder_id}` makes one"
        )
    promotion = promote_in(database, encoder_id)
    if promotion.before == promotion.promoted:
        OUT.print(f"encoder {encoder_id} was promoted already; nothing was done")
    else:
        OUT.print(f"encoder {promotion.promoted} is promoted, {promotion.before} stays active")


@app.command(rich_help_panel=_PANEL)
def rollback(data: DataFolder = DEFAULT_DATA, store: StoreUrl = None) -> None:
    """Promote again the encoder that was promoted before."""
    from ruiji_server.store.rollout import roll_back

    promotion = roll_back(_open(data, store))
    OUT.print(f"encoder {promotion.promoted} is promoted again, {promotion.before} stays active without a share")


@app.command(rich_help_panel=_PANEL)
def retire(
    encoder_id: EncoderArgument,
    data: DataFolder = DEFAULT_DATA,
    store: StoreUrl = None,
    delete_embeddings: Annotated[
        bool, typer.Option("--delete-embeddings", help="Delete its embeddings too; there is no way back.")
    ] = False,
) -> None:
    """Take an encoder out of service: it answers nothing, and its tasks are deleted, some thousand at a time.

    May be repeated, for instance to delete the embeddings later or to go on after an interruption. Its generations go
    with the next build of another encoder, or with `ruiji index gc`.
    """
    from ruiji_server.store import retired
    from ruiji_server.store.rollout import retire as retire_in

    database = _open(data, store)
    retire_in(database, encoder_id)
    tasks, embeddings = retired.count_left(database, encoder_id)
    with bar("Delete tasks", tasks) as advance:
        retired.delete_tasks(database, encoder_id, advance)
    if delete_embeddings:
        with bar("Delete embeddings", embeddings) as advance:
            retired.delete_embeddings(database, encoder_id, advance)
        OUT.print(f"encoder {encoder_id} is retired; {tasks:,} tasks and {embeddings:,} embeddings were deleted")
    else:
        OUT.print(f"encoder {encoder_id} is retired; {tasks:,} tasks were deleted, {embeddings:,} embeddings stay")


@app.command(rich_help_panel=_PANEL)
def history(
    encoder_id: Annotated[str | None, typer.Argument(metavar="[ENCODER_ID]", help="Only this one.")] = None,
    data: DataFolder = DEFAULT_DATA,
    store: StoreUrl = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
) -> None:
    """Show what was done to encoders, newest first."""
    from ruiji_server.store.encoder_history import encoder_history

    table = Table(box=None, padding=(0, 1))
    for heading in ("when (UTC)", "encoder", "what"):
        table.add_column(heading, no_wrap=True)
    table.add_column("", overflow="fold")
    for change in encoder_history(_open(data, store), limit, encoder_id):
        table.add_row(_time(change.changed_at_us), change.encoder_id, change.change, change.detail)
    OUT.print(table)


def _open(data: Path, store: str | None) -> Database:
    from ruiji_server.store.engine import open_database

    return open_database(store_url(data, store))


def _progress_table(database: Database, encoder_id: str | None) -> Table:
    from ruiji_server.store.embedding_progress import embedding_progress

    chosen = _chosen(database, encoder_id)
    progress = [embedding_progress(database, encoder.encoder_id) for encoder in chosen]
    # An encoder is a column: ids are long, and there are few.
    table = Table()
    table.add_column("")
    for encoder in chosen:
        table.add_column(encoder.encoder_id, justify="right", no_wrap=True)
    table.add_row("state", *(encoder.state for encoder in chosen))
    table.add_row("done", *(f"{one.done:,}" for one in progress))
    table.add_row("of items", *(f"{one.total:,}" for one in progress))
    table.add_row("share done", *(f"{one.done_share:.1%}" for one in progress))
    table.add_row("waiting", *(f"{one.waiting:,}" for one in progress))
    table.add_row("given up", *(f"{one.parked:,}" for one in progress))
    table.add_row("pictures a second", *(f"{one.rate_per_s:.1f}" for one in progress))
    table.add_row("at most", *("" if encoder.rate_per_s is None else f"{encoder.rate_per_s:g}" for encoder in chosen))
    table.add_row("ready in", *(_duration(one.remaining_s) for one in progress))
    return table


def _chosen(database: Database, encoder_id: str | None) -> list[RegisteredEncoder]:
    from ruiji_server.store.embedded_items import UnknownEncoder
    from ruiji_server.store.encoders import active_encoders, registered_encoders

    if encoder_id is None:
        return active_encoders(database)
    chosen = [encoder for encoder in registered_encoders(database) if encoder.encoder_id == encoder_id]
    if not chosen:
        raise UnknownEncoder(encoder_id)
    return chosen


def _duration(seconds: float | None) -> str:
    return "unknown" if seconds is None else str(timedelta(seconds=round(seconds)))


def _time(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")
