"""Several serving processes on one port, started, watched, replaced and ended by one that serves nothing itself.

Each worker has an event loop, a Python interpreter lock and a view of the same mapped files; the kernel deals out
connections to them (SO_REUSEPORT). They are spawned, not forked: gRPC does not survive a fork, and a worker that
replaces another after an upgrade runs the new code.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ruiji_cli.failures import UsageProblem
from ruiji_cli.serving_process import ServingPlan, work

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

_LOG = logging.getLogger(__name__)
_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the parent waits for its workers."""

    start_s: float = 300.0
    """For a worker to answer; it checks the generation's checksums first."""
    first_backoff_s: float = 0.5
    """Before a worker that ended is started again; doubled each time that it ends soon after."""
    max_backoff_s: float = 30.0
    """The longest of these waits."""
    stable_s: float = 60.0
    """A worker that lived as long starts over with the first wait."""
    kill_s: float = 10.0
    """Beyond drain and grace, before a worker that should end is killed."""


@dataclass(slots=True)
class Worker:
    """A serving process."""

    process: SpawnProcess
    ended: asyncio.Event
    ready: asyncio.Event
    leaving: bool = False
    """Whether it was told to end."""
    started_s: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    def leave(self) -> None:
        """Have it drain and end."""
        self.leaving = True
        if not self.ended.is_set():
            self.process.terminate()


class Workers:
    """Keeps a number of workers running. Use in one event loop.

    Attributes:
        restarts: how many workers ended by themselves and were started again.
    """

    def __init__(
        self,
        plan: ServingPlan,
        count: int,
        *,
        patience: Patience | None = None,
        on_end: Callable[[int], None] = lambda _pid: None,
    ) -> None:
        """Prepare workers.

        Args:
            plan: what each of them serves; its address must name a port.
            count: how many.
            patience: how long to wait for them.
            on_end: told the process id of each worker that has ended.
        """
        self._plan = replace(plan, settings=replace(plan.settings, shares_port=True, metrics_port=None))
        self._patience = patience or Patience()
        self._on_end = on_end
        self._slots: list[Worker | None] = [None] * count
        self._backoff_s = [self._patience.first_backoff_s] * count
        self._watches: set[asyncio.Task[None]] = set()
        self._started = False
        self._stopping = False
        self._replacing = asyncio.Lock()
        self.restarts = 0

    @property
    def ready(self) -> int:
        """How many answer calls and will go on doing so."""
        return sum(
            worker is not None and worker.ready.is_set() and not (worker.leaving or worker.ended.is_set())
            for worker in self._slots
        )

    @property
    def pids(self) -> list[int]:
        """The process ids of those that run."""
        return [
            worker.process.pid
            for worker in self._slots
            if worker is not None and worker.process.pid is not None and not worker.ended.is_set()
        ]

    async def start(self) -> None:
        """Start all; return when they answer.

        The first goes ahead, to fail for all of them where something is wrong and to read the files for the others.

        Raises:
            UsageProblem: one ended, or took too long, before it answered.
        """
        for slots in ([0], range(1, len(self._slots))):
            workers = [self._start(slot) for slot in slots]
            for worker in workers:
                if not await self._answers(worker):
                    raise UsageProblem("a worker could not start; its own message stands above")
        self._started = True

    async def replace_all(self) -> None:
        """Replace the workers one by one; each old one drains only when the new one answers."""
        async with self._replacing:
            for slot, old in enumerate(self._slots):
                if self._stopping:
                    return
                new = self._start(slot)
                if not await self._answers(new):
                    _LOG.error("the new worker %s does not answer; the old ones stay", new.process.pid)
                    new.leave()
                    self._slots[slot] = old
                    return
                if old is not None:
                    old.leave()
                    await self._until_ended(old)

    async def stop(self) -> None:
        """Drain and end all."""
        self._stopping = True
        workers = [worker for worker in self._slots if worker is not None]
        for worker in workers:
            worker.leave()
        await asyncio.gather(*(self._until_ended(worker) for worker in workers))
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)

    def kill(self) -> None:
        """End all at once."""
        for worker in self._slots:
            if worker is not None and not worker.ended.is_set():
                worker.leaving = True
                worker.process.kill()

    def _start(self, slot: int) -> Worker:
        loop = asyncio.get_running_loop()
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=work, args=(self._plan, theirs), name=f"ruiji worker {slot}")
        process.start()
        theirs.close()
        worker = Worker(process, ended=asyncio.Event(), ready=asyncio.Event())

        def on_message() -> None:
            loop.remove_reader(ours.fileno())
            # The end of the pipe without a message is the end of the process.
            with suppress(EOFError, ConnectionResetError):
                ours.recv()
                worker.ready.set()

        def on_end() -> None:
            loop.remove_reader(process.sentinel)
            loop.remove_reader(ours.fileno())
            ours.close()
            process.join()
            worker.ended.set()

        loop.add_reader(ours.fileno(), on_message)
        loop.add_reader(process.sentinel, on_end)
        self._slots[slot] = worker
        watch = asyncio.create_task(self._watch(slot, worker))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)
        return worker

    async def _watch(self, slot: int, worker: Worker) -> None:
        """Start another worker when one ended unasked."""
        await worker.ended.wait()
        if worker.process.pid is not None:
            self._on_end(worker.process.pid)
        if not self._started or self._stopping or worker.leaving:
            return
        lived_s = asyncio.get_running_loop().time() - worker.started_s
        if lived_s >= self._patience.stable_s:
            self._backoff_s[slot] = self._patience.first_backoff_s
        wait_s = self._backoff_s[slot]
        self._backoff_s[slot] = min(2 * wait_s, self._patience.max_backoff_s)
        _LOG.error(
            "worker %s ended with exit code %s; another starts in %g s",
            worker.process.pid, worker.process.exitcode, wait_s,
        )  # fmt: skip
        await asyncio.sleep(wait_s)
        async with self._replacing:
            # Meanwhile it may have been replaced.
            if self._slots[slot] is worker and not self._stopping:
                self.restarts += 1
                self._start(slot)

    async def _answers(self, worker: Worker) -> bool:
        """Wait until a worker answers; return False if it ended or took too long instead."""
        waits = [asyncio.create_task(worker.ready.wait()), asyncio.create_task(worker.ended.wait())]
        _, pending = await asyncio.wait(waits, timeout=self._patience.start_s, return_when=asyncio.FIRST_COMPLETED)
        for wait in pending:
            wait.cancel()
        return worker.ready.is_set() and not worker.ended.is_set()

    async def _until_ended(self, worker: Worker) -> None:
        settings = self._plan.settings
        try:
            await asyncio.wait_for(worker.ended.wait(), settings.drain_s + settings.grace_s + self._patience.kill_s)
        except TimeoutError:
            _LOG.error("worker %s did not end in time and is killed", worker.process.pid)
            worker.process.kill()
            await worker.ended.wait()
