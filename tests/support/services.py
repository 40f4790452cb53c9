"""A real server on a free port, in the test's own event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import grpc
from ruiji.v1 import common_pb2
from ruiji_client import AsyncRuijiClient, ClientSettings
from ruiji_server.embedding.picture_source import PictureSource
from ruiji_server.embedding.triton import TritonClient
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.services.server import Server, ServerSettings
from ruiji_server.store.engine import Database

_PATIENCE_S: Final = 30.0


@dataclass(frozen=True)
class Refusal:
    """A failed call as the wire carries it."""

    code: str
    reason: str
    field: str
    message: str


async def refused(call: Awaitable[Any]) -> Refusal:
    """Return how a call with the generated stubs failed."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        [raw] = [value for key, value in error.trailing_metadata() if key == "ruiji-error-bin"]
        detail = common_pb2.ErrorDetail.FromString(raw)
        return Refusal(error.code().name, detail.reason, detail.field, detail.message)
    raise AssertionError("the call succeeded")


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so that a server takes up by itself."""
    deadline = asyncio.get_running_loop().time() + _PATIENCE_S
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def serving(
    database: Database, generations: GenerationDirectory, settings: ServerSettings | None = None
) -> AsyncIterator[Server]:
    """Yield a server without Triton on a free port."""
    settings = settings or ServerSettings(address="127.0.0.1:0", drain_s=0.0)
    async with Server(settings, database, generations, PictureSource(None), None) as server:
        yield server


@asynccontextmanager
async def served(
    database: Database,
    generations: GenerationDirectory,
    *,
    settings: ServerSettings | None = None,
    triton_url: str | None = None,
    pictures: PictureSource | None = None,
) -> AsyncIterator[AsyncRuijiClient]:
    """Yield a client without retries, connected to a server of this store and these generations."""
    settings = settings or ServerSettings(address="127.0.0.1:0", generation_poll_s=0.05, drain_s=0.1)
    pictures = pictures or PictureSource(None)
    triton = None if triton_url is None else TritonClient(triton_url)
    try:
        async with (
            Server(settings, database, generations, pictures, triton) as server,
            AsyncRuijiClient(ClientSettings(f"127.0.0.1:{server.port}", retries=None)) as client,
        ):
            yield client
    finally:
        if triton is not None:
            await triton.__aexit__(None, None, None)
