"""`ruiji serve`: the gRPC server."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ruiji_cli.console import OUT
from ruiji_cli.failures import UsageProblem
from ruiji_cli.options import (
    DEFAULT_DATA,
    DataFolder,
    GenerationsFolder,
    PicturesFolder,
    StoreUrl,
    TritonUrl,
    generations_folder,
    store_url,
)

_SWITCH_INTERVAL_S = 2e-4

if TYPE_CHECKING:
    from collections.abc import Callable

    from ruiji_server.services.server import Server, ServerSettings


def serve(
    data: DataFolder = DEFAULT_DATA,
    store: StoreUrl = None,
    generations: GenerationsFolder = None,
    address: Annotated[str, typer.Option(envvar="RUIJI_ADDRESS", help="host:port to listen on.")] = "127.0.0.1:50051",
    triton_url: TritonUrl = None,
    pictures: PicturesFolder = None,
    max_price_ratio: Annotated[
        float, typer.Option(help="Prices may differ by this factor; inf turns the price band off.")
    ] = 2.0,
    category_weight: Annotated[float, typer.Option(help="Share of category similarity in the score, 0 to 1.")] = 0.2,
    candidates: Annotated[
        int, typer.Option(min=1, max=10_000, help="Nearest eligible items that are re-ranked.")
    ] = 100,
    metrics_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Prometheus metrics on this port of the loopback.")
    ] = None,
    tls_certificate: Annotated[Path | None, typer.Option(help="PEM chain; with --tls-key.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM key; with --tls-certificate.")] = None,
    token_file: Annotated[
        Path | None, typer.Option(envvar="RUIJI_TOKEN_FILE", help="File with the token that callers must send.")
    ] = None,
    drain_s: Annotated[float, typer.Option(min=0.0, help="Seconds between NOT_SERVING and refusing calls.")] = 2.0,
) -> None:
    """Answer SimilarItems and the catalogue calls over gRPC, until SIGTERM or Ctrl-C drains the server.

    A new generation is picked up while serving. Without --triton-url, queries by picture are refused.
    """
    from ruiji_server.ranking.policy import RankingPolicy
    from ruiji_server.services.server import ServerSettings, TlsSettings

    if (tls_certificate is None) != (tls_key is None):
        raise UsageProblem("TLS needs both --tls-certificate and --tls-key")
    if math.isnan(max_price_ratio):
        raise UsageProblem("--max-price-ratio must be a number of at least 1, or inf")
    settings = ServerSettings(
        address=address,
        tls=None if tls_certificate is None or tls_key is None else TlsSettings(tls_certificate, tls_key),
        token=None if token_file is None else token_file.read_text(encoding="utf-8").strip(),
        metrics_port=metrics_port,
        drain_s=drain_s,
        ranking=RankingPolicy(max_price_ratio, category_weight, candidates),
    )
    run(settings, store_url(data, store), generations_folder(data, generations), pictures, triton_url)


def run(settings: ServerSettings, store: str, generations: Path, pictures: Path | None, triton_url: str | None) -> None:
    """Serve in this process until SIGTERM or SIGINT, then drain."""
    # Before numpy is first imported. A page takes products of a few hundred rows: a second thread costs more than it
    # brings, and takes the core from another request.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # The feed is read by a thread; the event loop should not wait the default 5 ms to get its turn back.
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    import uvloop

    def ready(server: Server) -> None:
        OUT.print(f"Ruiji listens on port {server.port}; `ruiji similar ITEM_ID` asks it. Ctrl-C stops it.")

    uvloop.run(_serve(settings, store, generations, pictures, triton_url, ready))


async def _serve(
    settings: ServerSettings,
    store: str,
    generations: Path,
    pictures: Path | None,
    triton_url: str | None,
    on_ready: Callable[[Server], None],
) -> None:
    from ruiji_server.embedding.picture_source import PictureSource
    from ruiji_server.embedding.triton import TritonClient
    from ruiji_server.generations.directory import GenerationDirectory
    from ruiji_server.services.server import Server
    from ruiji_server.store.engine import open_database

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        triton = None if triton_url is None else await stack.enter_async_context(TritonClient(triton_url))
        database = open_database(store)
        stack.callback(database.close)
        server = await stack.enter_async_context(
            Server(settings, database, GenerationDirectory(generations), PictureSource(pictures), triton)
        )
        on_ready(server)
        await stop.wait()
        await server.drain()
