"""The embedding worker: takes pictures that wait, decodes them, has Triton embed them, stores the result.

Several lanes work side by side, so that one decodes and another stores while Triton computes, and Triton always has
requests to batch. Any number of workers may run: a task belongs to one lane for the length of its lease, and storing
an embedding twice does no harm.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from ruiji_encoding.pictures import PictureError, decode_picture

from ruiji_server.domain.errors import Reason, Unavailable
from ruiji_server.embedding.picture_source import PictureSource, PictureUnreachable
from ruiji_server.embedding.triton import TritonClient, is_unit
from ruiji_server.store.embedding_tasks import EmbeddingTask, EmbeddingTaskStore, FailedTask, FinishedTask

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How a worker works."""

    lanes: int = 4
    """Requests under way at once; Triton batches them."""
    request_pictures: int = 8
    """Pictures in one request; more at once only wait for each other's transport."""
    lease_s: float = 120.0
    """After this long, pictures of a worker that died go to another."""
    poll_s: float = 0.1
    """Pause between looks for work when there is none."""
    max_attempts: int = 5
    """Tries for a picture that cannot be reached, before it is parked."""
    retry_s: float = 2.0
    """Pause before the first further try; doubles each time."""
    max_pause_s: float = 10.0
    """Longest pause while Triton or the store is away."""


class EmbeddingWorker:
    """Embeds what waits for one encoder."""

    def __init__(
        self,
        tasks: EmbeddingTaskStore,
        triton: TritonClient,
        pictures: PictureSource,
        settings: WorkerSettings,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Prepare a worker.

        Args:
            tasks: of one encoder.
            triton: serves that encoder.
            pictures: where pictures are read.
            settings: how to work.
            progress: told how many pictures left the queue, embedded or parked, since its last call.
        """
        self._tasks = tasks
        self._triton = triton
        self._pictures = pictures
        self._settings = settings
        self._progress = progress

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; pictures that are under way are finished."""
        await self._run_lanes(stop, until_idle=False)

    async def run_until_idle(self) -> None:
        """Work until nothing waits any more, retries included."""
        await self._run_lanes(asyncio.Event(), until_idle=True)

    async def _run_lanes(self, stop: asyncio.Event, *, until_idle: bool) -> None:
        async with asyncio.TaskGroup() as lanes:
            for _ in range(self._settings.lanes):
                lanes.create_task(self._lane(stop, until_idle=until_idle))

    async def _lane(self, stop: asyncio.Event, *, until_idle: bool) -> None:
        pause_s = self._settings.poll_s
        while not stop.is_set():
            try:
                tasks = await asyncio.to_thread(
                    self._tasks.claim, self._settings.request_pictures, self._settings.lease_s
                )
                if tasks:
                    await self._embed(tasks)
                elif until_idle and (await asyncio.to_thread(self._tasks.backlog)).waiting == 0:
                    return
            except Unavailable as error:
                _LOG.warning("%s: trying again in %.1f s", error.message, pause_s)
                await _sleep(stop, pause_s)
                pause_s = min(2 * pause_s, self._settings.max_pause_s)
                continue
            pause_s = self._settings.poll_s
            if not tasks:
                await _sleep(stop, pause_s)

    async def _embed(self, tasks: Sequence[EmbeddingTask]) -> None:
        good, pixels, failed = await asyncio.to_thread(self._decode, tasks)
        await self._note_failures(failed)
        if not good:
            return
        try:
            vectors = await self._triton.embed(self._tasks.encoder_id, pixels)
        except Unavailable:
            # Not the pictures' fault: they wait, and keep their tries.
            await asyncio.to_thread(self._tasks.release, good)
            raise
        finished: list[FinishedTask] = []
        refused: list[FailedTask] = []
        for task, vector in zip(good, vectors, strict=True):
            if is_unit(vector):
                finished.append(FinishedTask(task.item_id, task.picture_sha256, vector))
            else:
                refused.append(_parked(task, Reason.EMBEDDING_NOT_FINITE, "the encoder gave no unit vector for it"))
        await asyncio.to_thread(self._tasks.finish, finished)
        self._progress(len(finished))
        await self._note_failures(refused)

    async def _note_failures(self, failed: Sequence[FailedTask]) -> None:
        if not failed:
            return
        for task in failed:
            _LOG.warning("item %r is not embedded: %s: %s", task.item_id, task.reason, task.message)
        await asyncio.to_thread(self._tasks.fail, failed)
        self._progress(sum(task.retry_after_s is None for task in failed))

    def _decode(
        self, tasks: Sequence[EmbeddingTask]
    ) -> tuple[list[EmbeddingTask], NDArray[np.uint8], list[FailedTask]]:
        good: list[EmbeddingTask] = []
        pixels: list[NDArray[np.uint8]] = []
        failed: list[FailedTask] = []
        for task in tasks:
            try:
                pixels.append(decode_picture(self._pictures.read(task.picture)))
                good.append(task)
            except PictureError as error:
                failed.append(_parked(task, Reason(error.fault), str(error)))
            except PictureUnreachable as error:
                failed.append(self._retried(task, error))
        return good, np.stack(pixels) if pixels else np.empty(0, dtype=np.uint8), failed

    def _retried(self, task: EmbeddingTask, error: PictureUnreachable) -> FailedTask:
        gives_up = task.attempts + 1 >= self._settings.max_attempts
        pause_s = None if gives_up else self._settings.retry_s * 2**task.attempts
        return FailedTask(task.item_id, task.picture_sha256, Reason.PICTURE_UNREACHABLE, str(error), pause_s)


def _parked(task: EmbeddingTask, reason: Reason, message: str) -> FailedTask:
    return FailedTask(task.item_id, task.picture_sha256, reason, message, retry_after_s=None)


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
