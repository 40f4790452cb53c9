"""The open-loop generator: requests leave when they are due, whatever became of those before them.

A closed loop asks less when the server gets slower, and so leaves out the very waits it should measure (coordinated
omission; G. Tene, "How NOT to Measure Latency", 2013). Here each latency counts from the moment the request was due.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
import uvloop
from numpy.typing import NDArray
from ruiji_client import AsyncRuijiClient, ClientSettings, RuijiClientError

from ruiji_loadtest.popularity import ZipfPopularity
from ruiji_loadtest.report import OpenLoopReport, percentiles_ms


class Arrivals(StrEnum):
    """How requests are spread over time."""

    POISSON = "poisson"
    """Independent of each other, as visitors come; two may come at once."""
    FIXED = "fixed"
    """Evenly spaced."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked, how often and for how long."""

    client: ClientSettings
    """Whom to ask, and how. Retries are left off, for they would hide failures."""
    rate_per_s: float
    """Requests a second."""
    duration_s: float = 10.0
    """Length of the window that is measured."""
    warmup_s: float = 1.0
    """Time at the same rate before that, whose latencies do not count."""
    arrivals: Arrivals = Arrivals.POISSON
    connections: int = 4
    """TCP connections that requests take in turns. Of several server processes on one port, each connection reaches
    one."""
    page_size: int = 20
    zipf_exponent: float = 1.0
    """Skew of the items' popularity, see `ZipfPopularity`."""
    timeout_s: float = 2.0
    """Deadline of a request; what is not answered by then is an error."""
    seed: int = 0
    """Of the arrival times and of the items."""

    def __post_init__(self) -> None:
        for name in ("rate_per_s", "duration_s", "timeout_s"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{name} is {value}; it must be greater than 0 and finite")
        if self.warmup_s < 0 or self.connections < 1:
            raise ValueError("warmup_s must be 0 or more, and connections 1 or more")


def arrival_times(load: Load) -> NDArray[np.float64]:
    """Return when each request is due, in seconds from the start, warm-up included: ascending, shape (n,)."""
    total_s = load.warmup_s + load.duration_s
    if load.arrivals is Arrivals.FIXED:
        return np.arange(math.ceil(total_s * load.rate_per_s)) / load.rate_per_s
    # Given their number, the arrivals of a Poisson process are independent and uniform.
    rng = np.random.default_rng((load.seed, 1))
    return np.sort(rng.uniform(0.0, total_s, rng.poisson(total_s * load.rate_per_s)))


def run_open_loop(
    load: Load, item_ids: Sequence[str], progress: Callable[[int], None] = lambda _sent: None
) -> OpenLoopReport:
    """Run a load to its end, on an event loop of its own.

    Args:
        load: what to do.
        item_ids: items to ask for.
        progress: told about requests as they are sent.

    Raises:
        RuijiClientError: the server does not answer at all.
    """
    return uvloop.run(generate(load, item_ids, progress))


async def generate(
    load: Load, item_ids: Sequence[str], progress: Callable[[int], None] = lambda _sent: None
) -> OpenLoopReport:
    """Run a load on the event loop at hand; see `run_open_loop`."""
    due_s = arrival_times(load)
    popularity = ZipfPopularity(item_ids, exponent=load.zipf_exponent, seed=load.seed)
    queries = popularity.draw(len(due_s), np.random.default_rng((load.seed, 2)))
    async with AsyncExitStack() as open_clients:
        clients = [
            await open_clients.enter_async_context(AsyncRuijiClient(_connection(load, number)))
            for number in range(load.connections)
        ]
        for client in clients:
            await client.info()
        return await _Run(load, clients, due_s, queries).to_its_end(progress)


def _connection(load: Load, number: int) -> ClientSettings:
    # gRPC gives channels with equal arguments one connection; the user agent makes them differ.
    return replace(load.client, retries=None, user_agent=f"ruiji-loadtest/{number}")


@dataclass(slots=True)
class _Run:
    load: Load
    clients: Sequence[AsyncRuijiClient]
    due_s: NDArray[np.float64]
    queries: Sequence[str]
    sent_s: NDArray[np.float64] = field(init=False)
    answered_s: NDArray[np.float64] = field(init=False)
    errors: Counter[str] = field(init=False, default_factory=Counter)
    started_s: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.sent_s = np.full(len(self.due_s), np.nan)
        self.answered_s = np.full(len(self.due_s), np.nan)

    async def to_its_end(self, progress: Callable[[int], None]) -> OpenLoopReport:
        cpu_s = time.process_time()
        self.started_s = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for number, due_s in enumerate(self.due_s.tolist()):
                # At least one turn of the event loop each, so that arrivals which are late do not hold up answers.
                await asyncio.sleep(max(0.0, due_s - self._now_s()))
                while (wait_s := due_s - self._now_s()) > 0:
                    await asyncio.sleep(wait_s)
                tasks.create_task(self._ask(number))
                progress(1)
        cores = (time.process_time() - cpu_s) / (time.perf_counter() - self.started_s)
        return self._report(cores)

    async def _ask(self, number: int) -> None:
        client = self.clients[number % len(self.clients)]
        self.sent_s[number] = self._now_s()
        try:
            await client.similar_items(
                item_id=self.queries[number], page_size=self.load.page_size, timeout_s=self.load.timeout_s
            )
        except RuijiClientError as error:
            if self.due_s[number] >= self.load.warmup_s:
                self.errors[f"{error.code.name} {error.reason}".strip()] += 1
        else:
            self.answered_s[number] = self._now_s()

    def _report(self, cores: float) -> OpenLoopReport:
        start_s, end_s = self.load.warmup_s, self.load.warmup_s + self.load.duration_s
        measured = self.due_s >= start_s
        latency_s = (self.answered_s - self.due_s)[measured]
        in_window = (self.answered_s >= start_s) & (self.answered_s < end_s)
        return OpenLoopReport(
            duration_s=self.load.duration_s,
            requests=int(measured.sum()),
            offered_per_s=round(float(measured.sum()) / self.load.duration_s, 3),
            answered_per_s=round(float(in_window.sum()) / self.load.duration_s, 3),
            errors=dict(self.errors),
            latency_ms=percentiles_ms(latency_s[~np.isnan(latency_s)]),
            send_lag_ms=percentiles_ms((self.sent_s - self.due_s)[measured]),
            generator_cpu=round(cores, 3),
        )

    def _now_s(self) -> float:
        return time.perf_counter() - self.started_s
