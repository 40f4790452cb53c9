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

if TYPE_CHECKING:
    from ruiji_server.embedding.picture_source import PictureSource
    from ruiji_server.embedding.worker import WorkerSettings
    from ruiji_server.store.embedding_tasks import EmbeddingTaskStore
    from ruiji_server.store.engine import Database

app = typer.Typer(help="Embed listings through Triton; look at what could not be.", no_args_is_help=True)


@app.command()
def run(
    data: DataFolder = DEFAULT_DATA,
    store: StoreUrl = None,
    triton_url: TritonUrl = None,
    encoder_id: EncoderId = None,
    pictures: PicturesFolder = None,
    drain: Annotated[bool, typer.Option("--drain", help="End when nothing waits any more.")] = False,
    lanes: Annotated[int, typer.Option(min=1, max=64, help="Requests under way at once.")] = 4,
    request_pictures: Annotated[int, typer.Option(min=1, max=64, help="Pictures in one request.")] = 8,
) -> None:
    """Embed what waits for an encoder, and go on as listings arrive.

    Any number of workers may run. An encoder that the store does not know yet is registered, and then every item of the
    catalogue waits for it.
    """
    from ruiji_server.embedding.picture_source import PictureSource
    from ruiji_server.embedding.worker import WorkerSettings
    from ruiji_server.store.encoders import registered_encoders
    from ruiji_server.store.engine import open_database

    if triton_url is None:
        raise UsageProblem("a worker needs a Triton server: give --triton-url, or use `ruiji up`, which starts one")
    database = open_database(store_url(data, store), create=True)
    encoder_id = only_encoder(encoder_id, [known.encoder_id for known in registered_encoders(database)])
    settings = WorkerSettings(lanes=lanes, request_pictures=request_pictures)
    asyncio.run(embed(database, triton_url, encoder_id, PictureSource(pictures), settings, drain=drain))


@app.command()
def status(data: DataFolder = DEFAULT_DATA, store: StoreUrl = None, encoder_id: EncoderId = None) -> None:
    """Show how much waits, and which pictures were given up and why."""
    tasks = _tasks(data, store, encoder_id)
    backlog = tasks.backlog()
    OUT.print(f"encoder {tasks.encoder_id}: {backlog.waiting} waiting, {backlog.parked} given up")
    if backlog.parked:
        table = Table("item", "reason", "message")
        for task in tasks.parked(limit=100):
            table.add_row(task.item_id, str(task.reason), task.message)
        OUT.print(table)


@app.command()
def retry(data: DataFolder = DEFAULT_DATA, store: StoreUrl = None, encoder_id: EncoderId = None) -> None:
    """Give every picture that was given up another chance."""
    OUT.print(f"{_tasks(data, store, encoder_id).unpark()} items wait again")


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
    async with TritonClient(triton_url) as triton:
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
    from ruiji_server.store.encoders import registered_encoders
    from ruiji_server.store.engine import open_database

    database = open_database(store_url(data, store))
    known = [encoder.encoder_id for encoder in registered_encoders(database)]
    return EmbeddingTaskStore(database, only_encoder(encoder_id, known))
