"""The pictures that a worker has claimed and not settled: how many more may come, and their leases."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

import numpy as np
from numpy.typing import NDArray

from ruiji_server.domain.items import PictureContent
from ruiji_server.embedding import worker_metrics
from ruiji_server.store.embedding_tasks import EmbeddingTask, Lease


class Stage(Enum):
    """Where a picture is in the worker."""

    PREPARING = auto()
    """Being fetched and decoded, or waiting for that."""
    READY = auto()
    """Decoded, or in a request to Triton."""
    SETTLING = auto()
    """Its result is being written. Whether the lease still holds no longer matters: the write checks the picture."""
    GONE = auto()
    """Settled, or lost to another worker."""


@dataclass(slots=True, eq=False)
class Job:
    """One claimed picture, without its bytes."""

    lease: Lease
    attempts: int
    """Failed tries before this one."""
    inline_bytes: int
    """Of a picture that came with the claim, until it is decoded."""
    since: float = field(default_factory=time.monotonic)
    stage: Stage = Stage.PREPARING

    @property
    def item_id(self) -> str:
        """The item's id."""
        return self.lease.item_id


@dataclass(frozen=True, slots=True, eq=False)
class ReadyPicture:
    """A decoded picture."""

    job: Job
    pixels: NDArray[np.uint8]
    """RGB, shape (256, 256, 3)."""


class UnderWay:
    """The jobs of one worker. Use in one event loop."""

    def __init__(self, in_flight: int, inline_bytes: int) -> None:
        """Bound what may be under way; see `WorkerSettings`."""
        self._in_flight = in_flight
        self._inline_bytes = inline_bytes
        self._jobs: set[Job] = set()
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def room(self) -> int:
        """How many more pictures may be claimed."""
        return self._in_flight - len(self._jobs)

    @property
    def inline_room_bytes(self) -> int:
        """How many more bytes of pictures may be claimed."""
        return self._inline_bytes - sum(job.inline_bytes for job in self._jobs)

    def add(self, task: EmbeddingTask) -> Job:
        """Take a claimed task in."""
        size = len(task.picture.content) if isinstance(task.picture, PictureContent) else 0
        job = Job(task.lease, task.attempts, size)
        self._jobs.add(job)
        return job

    def decoded(self, job: Job) -> None:
        """Note that a job's picture is pixels now, and its bytes are gone."""
        job.inline_bytes = 0
        job.stage = Stage.READY
        self._changed.set()

    def remove(self, jobs: Sequence[Job]) -> None:
        """Forget jobs that are settled or lost."""
        for job in jobs:
            job.stage = Stage.GONE
            self._jobs.discard(job)
        self._changed.set()

    def leases(self) -> list[Lease]:
        """Return the leases that must hold for longer."""
        return [job.lease for job in self._jobs if job.stage is not Stage.SETTLING]

    def renewed(self, asked: Sequence[Lease], renewed: Sequence[Lease]) -> None:
        """Take over renewed leases; forget the jobs of those that were asked for and are lost."""
        newer = {(lease.item_id, lease.picture_sha256): lease for lease in renewed}
        asked_for = set(asked)
        lost: list[Job] = []
        for job in self._jobs:
            if job.lease not in asked_for:
                continue
            lease = newer.get((job.lease.item_id, job.lease.picture_sha256))
            if lease is not None:
                job.lease = lease
            elif job.stage is not Stage.SETTLING:
                lost.append(job)
        self.remove(lost)
        worker_metrics.observe_lost_leases(len(lost))

    async def changed(self, timeout_s: float) -> None:
        """Wait until a job moved on, or the time is up."""
        self._changed.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return
