"""Serving the console over HTTP from the event loop at hand."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn

from ruiji_console.app import create_app
from ruiji_console.settings import ConsoleSettings

_GRACE_S = 3


@asynccontextmanager
async def serving_console(settings: ConsoleSettings, host: str, port: int) -> AsyncIterator[str]:
    """Serve the console until the block ends; yield its address, such as `http://127.0.0.1:8484`.

    Args:
        settings: whom it asks, and who may ask it.
        host: name or address to listen on.
        port: 0 takes a free one.

    Raises:
        OSError: nothing can listen there.
    """
    listening = _listen(host, port)
    config = uvicorn.Config(
        create_app(settings),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        while not server.started:
            if task.done():
                task.result()
                raise RuntimeError("the console ended before it had begun")
            await asyncio.sleep(0.01)
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever runs the event loop."""
        yield


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        # At once: until somebody listens, others can bind the same port.
        listening.listen()
    except OSError:
        listening.close()
        raise
    return listening
