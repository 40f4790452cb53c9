"""The load generator speaks to real servers, sees every failure, and does not wait for answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import grpc
import numpy as np
import pytest

from benchmarks.comparison.connections import grpc_request, http_request
from benchmarks.comparison.load import Generator, Target, draw_queries
from benchmarks.comparison.rounds import Plan

QUERIES = 20
METHOD = "/test.Echo/Echo"
Answer = Callable[[bytes], Awaitable[bytes | None]]
"""Returns the body of the answer; None refuses."""


@asynccontextmanager
async def http_server(answer: Answer) -> AsyncIterator[Target]:
    """Answer the item id of a request's path."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await answer(head.split(b"/")[2])
                status = b"404 Not Found" if body is None else b"200 OK"
                content = body or b""
                writer.write(b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (status, len(content), content))
        except (asyncio.IncompleteReadError, ConnectionResetError):
            pass

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield Target(port, [http_request(str(number)) for number in range(QUERIES)], None)
    for writer in writers:
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def grpc_server(answer: Answer) -> AsyncIterator[Target]:
    """Answer a message's own bytes."""

    async def echo(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        body = await answer(request)
        if body is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "refused")
        return body

    server = grpc.aio.server()
    handlers = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield Target(port, [grpc_request(str(number).encode()) for number in range(QUERIES)], METHOD)
    finally:
        await server.stop(grace=0)


SERVERS = pytest.mark.parametrize("serving", [http_server, grpc_server])


async def echoed(request: bytes) -> bytes | None:
    return request


async def refused_if_odd(request: bytes) -> bytes | None:
    return None if int(request) % 2 else request


@SERVERS
async def test_each_answer_belongs_to_its_query(serving) -> None:
    async with serving(echoed) as target, Generator(target) as generator:
        answers = await generator.ask_each_once(in_flight=5)
    assert answers == [str(number).encode() for number in range(QUERIES)]


@SERVERS
async def test_a_refusal_is_no_answer(serving) -> None:
    async with serving(refused_if_odd) as target, Generator(target) as generator:
        answers = await generator.ask_each_once(in_flight=5)
        loop = await generator.open_loop(np.arange(QUERIES), 200.0, QUERIES / 200, np.random.default_rng(0))
    assert [answer is None for answer in answers] == [bool(number % 2) for number in range(QUERIES)]
    assert (loop.answered, loop.failed) == (QUERIES / 2, QUERIES / 2)
    assert loop.latency_ms["p99"] == np.inf


@SERVERS
async def test_a_closed_loop_counts_answers_and_the_servers_time(serving) -> None:
    async with serving(echoed) as target, Generator(target) as generator:
        loop = await generator.closed_loop(np.arange(QUERIES), 4, 0.2, iter([1.0, 1.5]).__next__)
    assert loop.failed == 0
    assert loop.answered >= 4
    assert loop.requests_per_s == loop.answered / loop.seconds
    assert loop.cpu_us == pytest.approx(0.5e6 / loop.answered)


async def test_an_open_loop_sends_everything_before_anything_is_answered() -> None:
    """With a server that answers nobody before all have asked, a generator that waits would never end."""
    asked, all_asked = 0, asyncio.Event()

    async def wait_for_all(request: bytes) -> bytes:
        nonlocal asked
        asked += 1
        if asked == QUERIES:
            all_asked.set()
        await all_asked.wait()
        return request

    async with grpc_server(wait_for_all) as target, Generator(target) as generator:
        loop = await generator.open_loop(np.arange(QUERIES), 100.0, QUERIES / 100, np.random.default_rng(0))
    assert (loop.answered, loop.failed) == (QUERIES, 0)
    # The first was due long before the last, and its latency says so.
    assert loop.latency_ms["p99.9"] > loop.latency_ms["p50"]


def test_popularity_falls_as_its_exponent_says() -> None:
    rng = np.random.default_rng(0)
    alike = np.bincount(draw_queries(10, 100_000, 0.0, rng), minlength=10)
    skewed = np.bincount(draw_queries(10, 100_000, 1.0, rng), minlength=10)
    assert alike == pytest.approx(10_000, rel=0.05)
    assert skewed[0] / skewed[1] == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize(("rate", "length_s"), [(1_000.0, 10.0), (50.0, 10.0), (20.0, 25.0), (1.0, 50.0)])
def test_slow_systems_are_asked_for_longer_but_not_for_ever(rate: float, length_s: float) -> None:
    plan = Plan(3, 10.0, 1.0, 32, 300.0, 0.0, server_core=0, start_limit_s=60.0, answers_limit_s=600.0)
    assert plan.open_loop_s(rate) == length_s
