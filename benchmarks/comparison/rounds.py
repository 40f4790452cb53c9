"""The measurement: systems take turns, round by round, each with a server process of its own that nobody shares."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from benchmarks.comparison.catalogue import Queries, measured_queries
from benchmarks.comparison.job import Catalogue
from benchmarks.comparison.load import ClosedLoop, Generator, OpenLoop, Target, draw_queries
from benchmarks.comparison.processes import ContestantError, ServerProcess, free_port
from benchmarks.comparison.systems import Settings, System

_DRAWS = 20_000
_POLL_S = 0.01


@dataclass(frozen=True)
class Plan:
    """How everyone is measured."""

    rounds: int
    seconds: float
    """Of each of the three loads."""
    warm_up_s: float
    in_flight: int
    """Of the closed loop."""
    common_rate_per_s: float
    """Rate at which all are asked, besides half of what each can do."""
    zipf_exponent: float
    server_core: int
    start_limit_s: float


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


async def measure(
    systems: Sequence[System], settings: Settings, plan: Plan, tell: Callable[[str], None]
) -> dict[str, Measured]:
    """Measure all systems, each round in another order."""
    catalogue = Catalogue.open(settings.work)
    queries = Queries.open(measured_queries(settings.work))
    item_ids = [catalogue.ids[row] for row in queries.rows.tolist()]
    row_of = {item_id: row for row, item_id in enumerate(catalogue.ids)}
    results = {system.name: Measured() for system in systems}
    for number in range(plan.rounds):
        first = number % max(1, len(systems))
        for system in [*systems[first:], *systems[:first]]:
            measured = results[system.name]
            if measured.failure is not None:
                continue
            visit = _Visit(system, settings, plan, measured, item_ids, number)
            try:
                answers = await visit.run()
            except (ContestantError, OSError, TimeoutError) as error:
                measured.failure = str(error) or type(error).__name__
                tell(f"round {number + 1}, {system.name}: {measured.failure}")
                continue
            if answers is not None and not system.is_floor:
                pages = [np.array([row_of[item_id] for item_id in system.page(answer)]) for answer in answers]
                shares = [queries.recall(place, page) for place, page in enumerate(pages)]
                measured.recall = float(np.mean(shares))
            tell(f"round {number + 1}, {system.name}: {measured.closed[-1].requests_per_s:.0f} requests/s")
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

    async def run(self) -> list[bytes] | None:
        """Start its server, load it, stop it; return the answers to all queries in the first round.

        Raises:
            ContestantError: the server does not start, ends, or does not answer a query.
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
            answers = await self._all_pages(generator) if self.round_number == 0 else None
            await generator.closed_loop(queries, plan.in_flight, plan.warm_up_s, server.cpu_s)
            closed = await generator.closed_loop(queries, plan.in_flight, plan.seconds, server.cpu_s)
            if closed.failed:
                raise ContestantError(f"{closed.failed} requests failed under load")
            half = await generator.open_loop(queries, closed.requests_per_s / 2, plan.seconds, rng)
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
        return answers

    async def _first_answer(self, server: ServerProcess, target: Target) -> float:
        """Ask until there is a page; return how long that took."""
        one = Target(target.port, target.requests[:1], target.grpc_method)
        while time.perf_counter() - server.started_s < self.plan.start_limit_s:
            server.require_running()
            try:
                async with Generator(one) as generator:
                    (answer,) = await asyncio.wait_for(generator.ask_each_once(1), self.plan.start_limit_s)
            except OSError:
                answer = None
            if answer is not None:
                return time.perf_counter() - server.started_s
            await asyncio.sleep(_POLL_S)
        raise ContestantError(f"no answer within {self.plan.start_limit_s:.0f} s of its start")

    async def _all_pages(self, generator: Generator) -> list[bytes]:
        answers = await asyncio.wait_for(generator.ask_each_once(8), self.plan.start_limit_s)
        good = [answer for answer in answers if answer is not None]
        if len(good) < len(answers):
            raise ContestantError(f"{len(answers) - len(good)} of {len(answers)} queries were refused")
        return good
