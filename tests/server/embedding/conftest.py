"""Stores of both kinds, and the servers that pictures are fetched from: real ones, over sockets."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from tests.server.store.conftest import (
    new_postgresql_url,
    new_sqlite_url,
    new_store_url,
    postgresql_server,
    postgresql_store_url,
    store_url,
)

__all__ = [
    "new_postgresql_url",
    "new_sqlite_url",
    "new_store_url",
    "postgresql_server",
    "postgresql_store_url",
    "store_url",
]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class PictureServer:
    """A web server on two addresses of the loopback; answers by path, and counts what it was asked."""

    port: int = 0
    handlers: dict[str, Handler] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def answers(self, path: str, *responses: web.Response | int) -> str:
        """Answer with one response after the other, and the last one from then on; a number is a bare status."""
        times = itertools.count()

        async def answer(_request: web.Request) -> web.StreamResponse:
            response = responses[min(next(times), len(responses) - 1)]
            if isinstance(response, int):
                return web.Response(status=response)
            return web.Response(status=response.status, headers=response.headers, body=response.body)

        self.handlers[path] = answer
        return self.url(path)

    def redirects(self, path: str, target: str) -> str:
        return self.answers(path, web.Response(status=302, headers={"Location": target}))

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        return await self.handlers[request.path](request)


@pytest.fixture
async def picture_server() -> AsyncIterator[PictureServer]:
    """A running server without pictures."""
    server = PictureServer()
    app = web.Application()
    app.router.add_get("/{path:.*}", server._handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.port = runner.addresses[0][1]
    await web.TCPSite(runner, "127.0.0.2", server.port).start()
    yield server
    await runner.cleanup()
