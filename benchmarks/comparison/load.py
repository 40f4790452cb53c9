"""Asking a server: each query once, as fast as it can answer, and at a rate that does not wait for answers.

Open loop: arrivals are a Poisson process, and a latency counts from when its request was due, so a server that stalls
pays for everyone who would have come meanwhile. The generator has a core of its own and spends it looking at the clock,
since timers of the event loop are a millisecond coarse.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.comparison.connections import GrpcConnection, HttpConnection

_GETTING_READY_S = 0.5
_GIVE_UP_S = 10.0
_PERCENTILES = {"p50": 50.0, "p99": 99.0, "p99.9": 99.9}


@dataclass(frozen=True)
class Target:
    """A server, and the queries as it takes them."""

    port: int
    requests: Sequence[bytes]
    """Prepared, one a query."""
    grpc_method: str | None
    """None for HTTP."""

    @property
    def connection_count(self) -> int:
        """Return how many connections to keep: HTTP/1.1 carries one request at a time, HTTP/2 many."""
        return 32 if self.grpc_method is None else 4


@dataclass(frozen=True)
class ClosedLoop:
    """What a server answers when there is always more to do."""

    answered: int
    failed: int
    seconds: float
    server_cpu_s: float
    generator_cpu_s: float

    @property
    def requests_per_s(self) -> float:
        """Return the rate."""
        return self.answered / self.seconds

    @property
    def cpu_us(self) -> float:
        """Return CPU time of the server's processes per answer, in microseconds."""
        return 1e6 * self.server_cpu_s / max(1, self.answered)


@dataclass(frozen=True)
class OpenLoop:
    """Latencies at a rate, in milliseconds; infinite if too few were answered."""

    offered_per_s: float
    answered: int
    failed: int
    """Refused, or not answered ten seconds after the last was sent."""
    latency_ms: dict[str, float]
    send_lag_p99_ms: float
    """How late the generator itself was."""


class Generator:
    """Asks one target. Use as an asynchronous context manager."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._connections: list[HttpConnection | GrpcConnection] = []

    async def __aenter__(self) -> Generator:
        loop, method = asyncio.get_running_loop(), self._target.grpc_method
        count, port = self._target.connection_count, self._target.port
        if method is None:
            self._connections = [
                (await loop.create_connection(HttpConnection, "127.0.0.1", port))[1] for _ in range(count)
            ]
        else:
            self._connections = [
                (await loop.create_connection(lambda: GrpcConnection(method), "127.0.0.1", port))[1]
                for _ in range(count)
            ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in self._connections:
            connection.close()
        # Transports close in the loop's next turn.
        await asyncio.sleep(0)

    async def ask_each_once(self, in_flight: int) -> list[bytes | None]:
        """Return the answer to every query, None where it failed."""
        answers: list[bytes | None] = [None] * len(self._target.requests)
        numbers = iter(range(len(answers)))
        finished = asyncio.get_running_loop().create_future()
        left = len(answers)

        def ask() -> None:
            number = next(numbers, None)
            if number is None:
                return

            def done(body: bytes | None) -> None:
                nonlocal left
                answers[number] = body
                left -= 1
                if left == 0:
                    finished.set_result(None)
                ask()

            self._freest().ask(self._target.requests[number], done)

        for _ in range(in_flight):
            ask()
        await finished
        return answers

    async def closed_loop(
        self, queries: NDArray[np.int64], in_flight: int, seconds: float, server_cpu_s: Callable[[], float]
    ) -> ClosedLoop:
        """Keep `in_flight` requests under way for some seconds.

        Args:
            queries: which are asked, in this order, again and again.
            in_flight: requests under way.
            seconds: how long.
            server_cpu_s: CPU time that the server used so far.
        """
        answered = failed = asked = 0
        requests = [self._target.requests[query] for query in queries.tolist()]
        finished = asyncio.get_running_loop().create_future()

        def ask() -> None:
            nonlocal asked
            asked += 1
            self._freest().ask(requests[asked % len(requests)], done)

        def done(body: bytes | None) -> None:
            nonlocal answered, failed
            if body is None:
                failed += 1
            else:
                answered += 1
            if time.perf_counter() < ends_s and failed <= in_flight:
                ask()
            elif not finished.done():
                finished.set_result(None)

        with _no_collections():
            server_before_s, own_before_s, began_s = server_cpu_s(), time.process_time(), time.perf_counter()
            ends_s = began_s + seconds
            for _ in range(in_flight):
                ask()
            await asyncio.wait_for(finished, seconds + _GIVE_UP_S)
            took_s = time.perf_counter() - began_s
            loop = ClosedLoop(
                answered, failed, took_s, server_cpu_s() - server_before_s, time.process_time() - own_before_s
            )
        # Those still under way must not run into what comes next.
        while sum(connection.load for connection in self._connections):
            await asyncio.sleep(0.01)
        return loop

    async def open_loop(
        self, queries: NDArray[np.int64], rate_per_s: float, seconds: float, rng: np.random.Generator
    ) -> OpenLoop:
        """Send at random moments of a mean rate, whether or not anything was answered.

        Args:
            queries: which are asked, in this order, again and again.
            rate_per_s: mean rate.
            seconds: how long.
            rng: of the moments.
        """
        count = max(1, round(rate_per_s * seconds))
        due_s = np.cumsum(rng.exponential(1 / rate_per_s, count))
        requests = [self._target.requests[query] for query in np.resize(queries, count).tolist()]
        latencies_s, lags_s = np.full(count, np.inf), np.zeros(count)
        left, failed = count, 0

        def sent(number: int) -> None:
            def done(body: bytes | None) -> None:
                nonlocal left, failed
                left -= 1
                if body is None:
                    failed += 1
                else:
                    latencies_s[number] = time.perf_counter() - began_s - due_s[number]

            lags_s[number] = time.perf_counter() - began_s - due_s[number]
            self._freest().ask(requests[number], done)

        with _no_collections():
            # A loop beside this one, which was started together with it, gets ready in this time.
            began_s = time.perf_counter() + _GETTING_READY_S
            for number, due in enumerate(due_s.tolist()):
                while time.perf_counter() - began_s < due:
                    await asyncio.sleep(0)
                sent(number)
            gives_up_s = time.perf_counter() + _GIVE_UP_S
            while left and time.perf_counter() < gives_up_s:
                await asyncio.sleep(0.001)
        answered = int(np.isfinite(latencies_s).sum())
        # "higher": with infinite values among them nothing may be interpolated.
        percentiles = {
            name: 1e3 * float(np.percentile(latencies_s, at, method="higher")) for name, at in _PERCENTILES.items()
        }
        lag_ms = 1e3 * float(np.percentile(lags_s, 99))
        return OpenLoop(rate_per_s, answered, failed + left, percentiles, lag_ms)

    def _freest(self) -> HttpConnection | GrpcConnection:
        return min(self._connections, key=lambda connection: connection.load)


def draw_queries(count: int, draws: int, zipf_exponent: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return which queries are asked, shape (draws,): the k-th with a probability proportional to 1 / k^exponent.

    With exponent 0 all are asked alike. Queries are in random order already.
    """
    weights = np.arange(1, count + 1, dtype=np.float64) ** -zipf_exponent
    return rng.choice(count, draws, p=weights / weights.sum())


@contextmanager
def _no_collections() -> Iterator[None]:
    """Keep Python's garbage collector from adding its pauses to latencies."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
