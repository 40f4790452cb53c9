"""The parent of several serving processes: holds their port, passes on signals, shows their metrics."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from typing import Any, Final

from ruiji_cli.failures import UsageProblem
from ruiji_cli.serving_process import ServingPlan
from ruiji_cli.workers import Patience, Workers

_LOG = logging.getLogger(__name__)

_MALLOC: Final = {"MALLOC_MMAP_THRESHOLD_": str(1 << 20), "MALLOC_TRIM_THRESHOLD_": str(1 << 20)}
"""Settings of glibc for workers, see mallopt(3). By default each large array that is freed raises the size up to which
memory is kept, to 64 MB in the end; a search in a million items frees one with every request."""


def supervise(
    plan: ServingPlan, count: int, on_ready: Callable[[int], None], *, patience: Patience | None = None
) -> None:
    """Keep a number of workers serving until SIGTERM or SIGINT, then drain them; SIGHUP replaces them one by one.

    A second SIGTERM or SIGINT kills them.

    Args:
        plan: what they serve.
        count: how many there are.
        on_ready: told the port when all answer.
        patience: how long to wait for them.

    Raises:
        UsageProblem: the address cannot be shared or is in use, or the workers could not start.
    """
    for name, value in _MALLOC.items():
        os.environ.setdefault(name, value)
    with held_port(plan.settings.address) as address:
        asyncio.run(
            _supervise(replace(plan, settings=replace(plan.settings, address=address)), count, on_ready, patience)
        )


async def _supervise(plan: ServingPlan, count: int, on_ready: Callable[[int], None], patience: Patience | None) -> None:
    loop = asyncio.get_running_loop()
    stop, reload = asyncio.Event(), asyncio.Event()
    async with AsyncExitStack() as stack:
        metrics_port = plan.settings.metrics_port
        if metrics_port is None:
            workers = Workers(plan, count, patience=patience)
        else:
            from ruiji_cli.worker_metrics import metrics_endpoint, metrics_folder

            on_end = stack.enter_context(metrics_folder())
            workers = Workers(plan, count, patience=patience, on_end=on_end)
            stack.enter_context(metrics_endpoint(metrics_port, workers, count))

        def end() -> None:
            if stop.is_set():
                workers.kill()
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end)
        loop.add_signal_handler(signal.SIGHUP, reload.set)
        stack.push_async_callback(workers.stop)
        starting = asyncio.create_task(workers.start())
        if not await _unless(stop, starting):
            return
        on_ready(int(plan.settings.address.rpartition(":")[2]))
        while await _unless(stop, asyncio.create_task(reload.wait())):
            reload.clear()
            _LOG.info("replacing %d workers", count)
            if not await _unless(stop, asyncio.create_task(workers.replace_all())):
                return
            _LOG.info("workers %s serve", ", ".join(map(str, workers.pids)))


async def _unless(stop: asyncio.Event, task: asyncio.Task[Any]) -> bool:
    """Wait for a task and return True, or cancel it and return False because it is time to stop."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([stopping, task], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not task.done():
        task.cancel()
        await asyncio.wait([task])
        return False
    task.result()
    return True


@contextmanager
def held_port(address: str) -> Iterator[str]:
    """Keep a TCP port for workers that share it; yield the address with the port's number.

    The port is bound here and never listened on, so that it stays ours while workers come and go.

    Raises:
        UsageProblem: the address is no host and port, or somebody listens there.
    """
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isdigit() or host.startswith("unix"):
        raise UsageProblem(f"--workers needs a host and a port that they can share, not {address!r}")
    family, kind, protocol, _, where = socket.getaddrinfo(
        host or "::", int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as probe, socket.socket(family, kind, protocol) as held:
        try:
            # Without SO_REUSEPORT this fails where anyone listens, be it with the option.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
            number = probe.getsockname()[1]
            probe.close()
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            held.bind((where[0], number, *where[2:]))
        except OSError as error:
            raise UsageProblem(f"cannot listen on {address}; is the port in use? ({error.strerror})") from error
        yield f"{address.rpartition(':')[0]}:{number}"
