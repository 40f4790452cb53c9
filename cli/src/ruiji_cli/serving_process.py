"""One serving process, from its settings to the end of its drain.

Every worker has what is imported here in memory of its own. So it is what serving needs: no Typer, and Rich only where
a failure is to be shown.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ruiji_cli.failures import explained_failures
from ruiji_cli.logs import plain_handler, start_logging
from ruiji_cli.scheduling import run_in_batches

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from pathlib import Path

    from ruiji_server.services.settings import ServerSettings

    from ruiji_cli.picture_access import PictureAccess

_SWITCH_INTERVAL_S = 2e-4


@dataclass(frozen=True, slots=True)
class ServingPlan:
    """What a process serves, and how."""

    settings: ServerSettings
    store: str
    """SQLAlchemy URL."""
    generations: Path
    pictures: PictureAccess
    """Which pictures outside the store may be referred to."""
    triton_url: str | None
    """None refuses query pictures."""
    verbose: bool = False
    """Whether a process of its own logs what happens inside."""


def serve_here(plan: ServingPlan, on_ready: Callable[[int], None], parent: Connection | None = None) -> None:
    """Serve in this process until SIGTERM or SIGINT, or until the other end of `parent` is closed; then drain.

    Args:
        plan: what to serve.
        on_ready: told the port when calls are answered.
        parent: a connection on which nothing is sent; its end means that nobody will send a signal any more.
    """
    # Before numpy is first imported. A page takes products of a few hundred rows: a second thread costs more than it
    # brings, and takes the core from another request.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # The feed is read by a thread; the event loop should not wait the default 5 ms to get its turn back.
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    run_in_batches()
    import uvloop

    uvloop.run(_serve(plan, on_ready, parent))


def work(plan: ServingPlan, parent: Connection) -> None:
    """Be a worker: serve until SIGTERM or until the parent is gone; sends the parent the port when ready."""
    # Ctrl-C reaches every process of the terminal; when workers end is the parent's to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    start_logging(plain_handler(), verbose=plan.verbose)
    with explained_failures():
        serve_here(plan, parent.send, parent)


async def _serve(plan: ServingPlan, on_ready: Callable[[int], None], parent: Connection | None) -> None:
    from ruiji_server.generations.directory import GenerationDirectory
    from ruiji_server.services.server import Server
    from ruiji_server.store.engine import open_database

    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    if parent is None:
        loop.add_signal_handler(signal.SIGINT, stop.set)
    else:
        loop.add_reader(parent.fileno(), stop.set)
    async with AsyncExitStack() as stack:
        triton = None
        if plan.triton_url is not None:
            from ruiji_server.embedding.triton import TritonClient

            triton = await stack.enter_async_context(TritonClient(plan.triton_url))
        database = open_database(plan.store)
        stack.callback(database.close)
        directory = GenerationDirectory(plan.generations)
        pictures = await stack.enter_async_context(plan.pictures.source())
        server = await stack.enter_async_context(Server(plan.settings, database, directory, pictures, triton))
        # What is loaded by now lives as long as the process; collections need not look at it again.
        gc.collect()
        gc.freeze()
        on_ready(server.port)
        if triton is not None:
            stack.callback(asyncio.create_task(triton.report_until_live()).cancel)
        await stop.wait()
        if parent is not None:
            loop.remove_reader(parent.fileno())
        await server.drain()
