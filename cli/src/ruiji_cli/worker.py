"""`ruiji worker`: embed what waits."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ruiji_cli.console import ERR, OUT, bar
from ruiji_cli.failures import UsageProblem
from ruiji_cli.options import (
    DEFAULT_DATA,
    DataFolder,
    EncoderId,
    PicturesFolder,
    StoreUrl,
    TritonUrl,
    only_encoder,
    store_url,
)
from ruiji_cli.picture_access import PictureAccess
from ruiji_cli.pictures import PicturePrefixes, PrivatePictures

if TYPE_CHECKING:
    from ruiji_server.embedding.picture_source import PictureSource
    from ruiji_server.embedding.worker_settings import WorkerSettings
    from ruiji_server.store.embedding_tasks import EmbeddingTaskStore
    from ruiji_server.store.engine import Database

app = typer.Typer(help="Embed listings through Triton; look at what could not be.", no_args_is_help=True)

_SHOWN = 100
Reason = Annotated[
    str | None, typer.Option("--reason", help="Only those given up for this reason, such as PICTURE_UNREACHABLE.")
]
ItemIds = Annotated[list[str] | None, typer.Option("--item", help="Only this item; repeat it for several.")]


@app.command()
def run(
    data: DataFolder = DEFAULT_DATA,
    store: StoreUrl = None,
    triton_url: TritonUrl = None,
    encoder_id: EncoderId = None,
    pictures: PicturesFolder = None,
    picture_prefix: PicturePrefixes = None,
    picture_private: PrivatePictures = None,
    drain: Annotated[bool, typer.Option("--drain", help="End when nothing waits any more.")] = False,
    lanes: Annotated[int, typer.Option(min=1, max=64, help="Requests to Triton under way at once.")] = 4,
    request_pictures: Annotated[int, typer.Option(min=1, max=64, help="Pictures in one request at most.")] = 8,
    in_flight: Annotated[
        int, typer.Option(min=1, max=10_000, help="Pictures between claim and stored result; bounds the memory.")
    ] = 96,
    fetches: Annotated[int, typer.Option(min=1, max=1_000, help="Pictures fetched at once.")] = 16,
    decoders: Annotated[int, typer.Option(min=1, max=256, help="Threads that decode pictures.")] = 2,
    lease_s: Annotated[
        float, typer.Option(min=1.0, help="Seconds after which a dead worker's pictures go to another.")
    ] = 30.0,
    max_attempts: Annotated[
        int, typer.Option(min=1, help="Tries for a picture that cannot be reached, before it is given up.")
    ] = 10,
    metrics_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Prometheus metrics on this port of the loopback.")
    ] = None,
) -> None:
    """Embed what waits for an encoder, and go on as listings arrive.

    Any number of workers may run. An encoder that the store does not know yet is registered, and then every item of the
    catalogue waits for it.

    Pictures that were upserted by URI are fetched only from places that were opened: --pictures for files,
    --picture-prefix for web servers and object storage. Start the server with the same, since it checks URIs.
    """
    from ruiji_server.embedding.worker_settings import WorkerSettings
    from ruiji_server.store.encoders import active_encoders
    from ruiji_server.store.engine import open_database

    if triton_url is None:
        raise UsageProblem("a worker needs a Triton server: give --triton-url, or use `ruiji up`, which starts one")
    try:
        settings = WorkerSettings(
            lanes=lanes,
            request_pictures=request_pictures,
            in_flight=in_flight,
            fetches=fetches,
            decoders=decoders,
            lease_s=lease_s,
            max_attempts=max_attempts,
        )
    except ValueError as error:
        raise UsageProblem(str(error)) from error
    source = PictureAccess.of(pictures, picture_prefix, picture_private).source()
    database = open_database(store_url(data, store), create=True)
    encoder_id = only_encoder(encoder_id, [known.encoder_id for known in active_encoders(database)])
    if metrics_port is not None:
        from prometheus_client import start_http_server

        start_http_server(metrics_port, addr="127.0.0.1")
    asyncio.run(embed(database, triton_url, encoder_id, source, settings, drain=drain))


@app.command()
def status(data: DataFolder = DEFAULT_DATA, store: StoreUrl = None, encoder_id: EncoderId = None) -> None:
    """Show how much waits and for how long, and which pictures were given up and why."""
    tasks = _tasks(data, store, encoder_id)
    figures = tasks.figures()
    given_up = sum(figures.parked.values())
    OUT.print(f"encoder {tasks.encoder_id}: {figures.waiting} waiting, {given_up} given up")
    if figures.waiting:
        OUT.print(
            f"{figures.retrying} of them wait for another try; the oldest that is due has waited "
            f"{figures.oldest_due_s:.1f} s for a worker"
        )
    if given_up:
        by_reason = Table("reason", "given up")
        for reason, count in figures.parked.items():
            by_reason.add_row(reason, str(count))
        OUT.print(by_reason)
        table = Table("item", "reason", "message", title=f"the first {_SHOWN}" if given_up > _SHOWN else None)
        for task in tasks.parked(limit=_SHOWN):
            table.add_row(task.item_id, str(task.reason), task.message)
        OUT.print(table)


@app.command()
def retry(
    data: DataFolder = DEFAULT_DATA,
    store: StoreUrl = None,
    encoder_id: EncoderId = None,
    reason: Reason = None,
    item: ItemIds = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count them only.")] = False,
) -> None:
    """Give pictures that were given up another chance: all of an encoder's, those of one reason, or single items.

    `ruiji worker status` shows the reasons. Whatever was wrong should be put right first, or they come back here.
    """
    from ruiji_server.domain.errors import Reason as KnownReason

    if reason is not None and reason not in set(KnownReason):
        raise UsageProblem(f"{reason!r} is no reason; `ruiji worker status` shows those that there are")
    tasks = _tasks(data, store, encoder_id)
    if dry_run:
        found = tasks.parked_by_reason(reason, item)
        OUT.print(f"{sum(found.values())} items would wait again")
        for name, count in found.items():
            OUT.print(f"  {name}: {count}")
        return
    OUT.print(f"{tasks.unpark(reason, item)} items wait again")


async def embed(
    database: Database,
    triton_url: str,
    encoder_id: str,
    pictures: PictureSource,
    settings: WorkerSettings,
    *,
    drain: bool,
) -> None:
    """Run a worker in this process, until SIGTERM or SIGINT or, with `drain`, until nothing waits."""
    from ruiji_server.embedding.triton import TritonClient
    from ruiji_server.embedding.worker import EmbeddingWorker
    from ruiji_server.store.embedding_tasks import EmbeddingTaskStore

    tasks = EmbeddingTaskStore(database, encoder_id)
    async with pictures, TritonClient(triton_url) as triton:
        with ERR.status(f"Waiting for encoder {encoder_id} on {triton_url}"):
            dimensions = await triton.wait_until_ready(encoder_id)
        await asyncio.to_thread(tasks.register_encoder, encoder_id, dimensions)
        if drain:
            waiting = (await asyncio.to_thread(tasks.backlog)).waiting
            with bar("Embed", waiting) as advance:
                await EmbeddingWorker(tasks, triton, pictures, settings, advance).run_until_idle()
            return
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await EmbeddingWorker(tasks, triton, pictures, settings).run(stop)


def _tasks(data: DataFolder, store: StoreUrl, encoder_id: EncoderId) -> EmbeddingTaskStore:
    from ruiji_server.store.embedding_tasks import EmbeddingTaskStore
    from ruiji_server.store.encoders import active_encoders
    from ruiji_server.store.engine import open_database

    database = open_database(store_url(data, store))
    known = [encoder.encoder_id for encoder in active_encoders(database)]
    return EmbeddingTaskStore(database, only_encoder(encoder_id, known))
