"""The measurement: systems take turns, round by round, each with a server process of its own that nobody shares."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from benchmarks.comparison.catalogue import Queries, fault, measured_queries
from benchmarks.comparison.job import RECALL_TARGET, Catalogue
from benchmarks.comparison.load import ClosedLoop, Generator, OpenLoop, Target, draw_queries
from benchmarks.comparison.processes import ContestantError, ServerProcess, free_port
from benchmarks.comparison.progress import Bar
from benchmarks.comparison.systems import Settings, System
from benchmarks.comparison.waiting import first_answer

_DRAWS = 20_000
_LEAST_ARRIVALS = 500
"""Of an open loop; slow systems get longer loads for it."""
_SAMPLING = 0.01
"""How far the recall of the measured queries may fall below the target that others of them were tuned to."""
_LONGEST = 5
"""Times as long at most."""


@dataclass(frozen=True)
class Plan:
    """How everyone is measured."""

    rounds: int
    seconds: float
    """Of each of the three loads, see `open_loop_s`."""
    warm_up_s: float
    in_flight: int
    """Of the closed loop."""
    common_rate_per_s: float
    """Rate at which all are asked, besides half of what each can do."""
    zipf_exponent: float
    server_core: int
    start_limit_s: float
    """For the first page."""
    answers_limit_s: float
    """For the pages of all queries, in the first round."""

    def open_loop_s(self, rate_per_s: float) -> float:
        """Return how long to ask at a rate: longer where too few would come for a p99."""
        return min(max(self.seconds, _LEAST_ARRIVALS / rate_per_s), _LONGEST * self.seconds)


@dataclass
class Measured:
    """What was found out about a system; the lists have an entry a round."""

    recall: float | None = None
    """At 20, of the pages that its server sent."""
    start_s: list[float] = field(default_factory=list)
    """From starting the process to its first page."""
    closed: list[ClosedLoop] = field(default_factory=list)
    at_half: list[OpenLoop] = field(default_factory=list)
    at_common: list[OpenLoop] = field(default_factory=list)
    """Empty for a system that cannot do that rate."""
    pss_bytes: list[int] = field(default_factory=list)
    failure: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        closed = [asdict(loop) | {"requests_per_s": loop.requests_per_s, "cpu_us": loop.cpu_us} for loop in self.closed]
        return asdict(self) | {"closed": closed}


async def measure(systems: Sequence[System], settings: Settings, plan: Plan, progress: Bar) -> dict[str, Measured]:
    """Measure all systems, each round in another order."""
    catalogue = Catalogue.open(settings.work)
    queries = Queries.open(measured_queries(settings.work))
    item_ids = [catalogue.ids[row] for row in queries.rows.tolist()]
    row_of = {item_id: row for row, item_id in enumerate(catalogue.ids)}
    results = {system.name: Measured() for system in systems}

    def check(system: System, answers: Sequence[bytes]) -> float:
        """Return the recall of all answers; raise `ContestantError` if they are not what was asked for."""
        shares = []
        for place, answer in enumerate(answers):
            page = np.array([row_of[item_id] for item_id in system.page(answer)], dtype=np.int64)
            if wrong := fault(catalogue, int(queries.rows[place]), page):
                raise ContestantError(f"the page of {item_ids[place]} {wrong}")
            shares.append(queries.recall(place, page))
        recall = float(np.mean(shares))
        if recall < RECALL_TARGET - _SAMPLING:
            raise ContestantError(f"recall@20 of its answers is {recall:.3f}, below {RECALL_TARGET}")
        return recall

    for number in range(plan.rounds):
        first = number % max(1, len(systems))
        for system in [*systems[first:], *systems[:first]]:
            measured = results[system.name]
            progress.tell(f"round {number + 1}, {system.name}")
            if measured.failure is None:
                visit = _Visit(system, settings, plan, measured, item_ids, number, check)
                try:
                    await visit.run()
                    outcome = f"{measured.closed[-1].requests_per_s:.0f} requests/s"
                except (ContestantError, OSError, TimeoutError) as error:
                    outcome = measured.failure = str(error) or type(error).__name__
                progress.log(f"round {number + 1}, {system.name}: {outcome}")
            progress.advance()
    return results


@dataclass(frozen=True)
class _Visit:
    """One round of one system."""

    system: System
    settings: Settings
    plan: Plan
    measured: Measured
    item_ids: Sequence[str]
    round_number: int
    check: Callable[[System, Sequence[bytes]], float]
    """Returns the recall of the answers to all queries."""

    async def run(self) -> None:
        """Start its server, look at its answers in the first round, load it, stop it.

        Raises:
            ContestantError: the server does not start, ends, does not answer a query, or answers wrongly.
        """
        plan, measured, port = self.plan, self.measured, free_port()
        rng = np.random.default_rng(self.round_number)
        queries = draw_queries(len(self.item_ids), _DRAWS, plan.zipf_exponent, rng)
        target = self.system.target(port, self.item_ids)
        command = self.system.command(self.settings, port, self.item_ids[0])
        server = ServerProcess(command, plan.server_core, self.system.log(self.settings))
        async with AsyncExitStack() as stack:
            stack.callback(server.stop)
            start_s = await self._first_answer(server, target)
            generator = await stack.enter_async_context(Generator(target))
            if self.round_number == 0:
                answers = await self._all_pages(generator)
                if not self.system.is_floor:
                    measured.recall = self.check(self.system, answers)
            await generator.closed_loop(queries, plan.in_flight, plan.warm_up_s, server.cpu_s)
            closed = await generator.closed_loop(queries, plan.in_flight, plan.seconds, server.cpu_s)
            if closed.failed:
                raise ContestantError(f"{closed.failed} requests failed under load")
            half_rate = closed.requests_per_s / 2
            half = await generator.open_loop(queries, half_rate, plan.open_loop_s(half_rate), rng)
            common = None
            if closed.requests_per_s > plan.common_rate_per_s:
                common = await generator.open_loop(queries, plan.common_rate_per_s, plan.seconds, rng)
            pss_bytes = server.pss_bytes()
        measured.start_s.append(start_s)
        measured.closed.append(closed)
        measured.at_half.append(half)
        if common is not None:
            measured.at_common.append(common)
        measured.pss_bytes.append(pss_bytes)

    async def _first_answer(self, server: ServerProcess, target: Target) -> float:
        """Ask until there is a page; return how long that took."""
        limit_s = self.plan.start_limit_s
        try:
            await first_answer(server, target, limit_s)
        except TimeoutError as error:
            raise ContestantError(f"no answer within {limit_s:.0f} s of its start") from error
        return time.perf_counter() - server.started_s

    async def _all_pages(self, generator: Generator) -> list[bytes]:
        limit_s = self.plan.answers_limit_s
        try:
            answers = await asyncio.wait_for(generator.ask_each_once(8), limit_s)
        except TimeoutError as error:
            raise ContestantError(
                f"{len(self.item_ids):,} queries are not answered within {limit_s:.0f} s; see --answers-limit"
            ) from error
        good = [answer for answer in answers if answer is not None]
        if len(good) < len(answers):
            raise ContestantError(f"{len(answers) - len(good)} of {len(answers)} queries were refused")
        return good
