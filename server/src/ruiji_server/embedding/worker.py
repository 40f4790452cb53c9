"""The embedding worker: takes pictures that wait, decodes them, has Triton embed them, stores the result.

    claim -> fetch and decode, several at once -> requests to Triton, in `lanes` -> results, written together
      ^                                                                                  |
      +--------------- only as many as were settled: `in_flight` bounds everything ------+

A lane fills its request while further pictures are being decoded, and waits for nothing else: a lone picture goes at
once, one that is still being fetched holds nobody up, and under backlog requests are full. Any number of workers may
run: a task belongs to one for the length of its lease, which is renewed while the worker lives, and storing an
embedding twice does no harm.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Final, ParamSpec, TypeVar

import numpy as np
from ruiji_encoding.pictures import PictureError, decode_picture

from ruiji_server.domain.errors import Overloaded, Reason, Unavailable
from ruiji_server.domain.items import Picture
from ruiji_server.embedding import worker_metrics
from ruiji_server.embedding.pause import Pause
from ruiji_server.embedding.picture_source import PictureRefused, PictureSource, PictureUnreachable
from ruiji_server.embedding.triton import TritonClient
from ruiji_server.embedding.under_way import Job, ReadyPicture, Stage, UnderWay
from ruiji_server.embedding.unit_vectors import is_unit
from ruiji_server.embedding.worker_settings import WorkerSettings, retry_pause_s
from ruiji_server.store.clock import now_us
from ruiji_server.store.embedding_tasks import EmbeddingTask, EmbeddingTaskStore, FailedTask, FinishedTask
from ruiji_server.store.feed import FeedReader
from ruiji_server.store.feed_watch import watch_feed

__all__ = ["EmbeddingWorker", "WorkerSettings"]

_LOG = logging.getLogger(__name__)

_FIRST_PAUSE_S: Final = 0.1
_LEAST_WAIT_S: Final = 0.05
"""Between looks for work that is due and yet not to be had, for instance since the encoder's rate is used up."""
_STORE_THREADS: Final = 3
"""One each for claiming, writing and renewing, so that none waits for another."""

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Outcome = FinishedTask | FailedTask | None
"""What became of a picture; None gives it back untried."""


class EmbeddingWorker:
    """Embeds what waits for one encoder. One run at a time."""

    def __init__(
        self,
        tasks: EmbeddingTaskStore,
        triton: TritonClient,
        pictures: PictureSource,
        settings: WorkerSettings,
        progress: Callable[[int], None] = lambda _: None,
        rng: np.random.Generator | None = None,
    ) -> None:
        """Prepare a worker.

        Args:
            tasks: of one encoder.
            triton: serves that encoder.
            pictures: where pictures are read.
            settings: how to work.
            progress: told how many pictures left the queue, embedded or parked, since its last call.
            rng: spreads retries; workers should not share a seed.
        """
        self._tasks = tasks
        self._triton = triton
        self._pictures = pictures
        self._settings = settings
        self._progress = progress
        self._rng = rng or np.random.default_rng()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; pictures that are under way are finished if that takes no longer than `stop_s`."""
        await self._work(stop, until_idle=False)

    async def run_until_idle(self) -> None:
        """Work until nothing waits any more, retries included."""
        await self._work(asyncio.Event(), until_idle=True)

    async def _work(self, stop: asyncio.Event, *, until_idle: bool) -> None:
        settings = self._settings
        self._under_way = UnderWay(settings.in_flight, settings.inline_bytes)
        self._ready: asyncio.Queue[ReadyPicture] = asyncio.Queue()
        self._outcomes: asyncio.Queue[tuple[Job, _Outcome]] = asyncio.Queue()
        self._fetching = asyncio.Semaphore(settings.fetches)
        self._leases = asyncio.Lock()
        self._filling = asyncio.Lock()
        self._decoding = 0
        self._decode_ended = asyncio.Event()
        self._triton_pause = Pause(_FIRST_PAUSE_S, settings.max_pause_s)
        self._requests = 0
        self._claimed_at = -math.inf
        self._stop = stop
        with ExitStack() as stack:
            self._store_threads = stack.enter_context(ThreadPoolExecutor(_STORE_THREADS, thread_name_prefix="store"))
            self._decoders = stack.enter_context(ThreadPoolExecutor(settings.decoders, thread_name_prefix="decode"))
            try:
                async with asyncio.TaskGroup() as group:
                    helpers = [
                        group.create_task(helper())
                        for helper in (*(self._send,) * settings.lanes, self._settle, self._renew, self._count)
                    ]
                    await self._claim(group, until_idle=until_idle)
                    await self._end(helpers)
            except ExceptionGroup as failures:
                # One failure ends the others, which say nothing more.
                raise failures.exceptions[0] from None

    async def _claim(self, group: asyncio.TaskGroup, *, until_idle: bool) -> None:
        """Take tasks while there is room for them; wait where there are none."""
        settings, feed, pause = self._settings, FeedReader(self._tasks.database), self._store_pause()
        self._preparing: set[asyncio.Task[None]] = set()
        with watch_feed(self._tasks.database) as watch, ThreadPoolExecutor(1, thread_name_prefix="feed") as thread:
            while not self._stop.is_set():
                await self._triton_pause.over(self._stop)
                await pause.over(self._stop)
                room, room_bytes = self._under_way.room, self._under_way.inline_room_bytes
                if room < settings.request_pictures or room_bytes <= 0:
                    await self._under_way.changed(settings.poll_s)
                    continue
                await asyncio.sleep(self._claimed_at + settings.claim_s - time.monotonic())
                try:
                    position, claimed = await self._in_store(self._look, feed, room, room_bytes)
                    for task in claimed:
                        self._begin(group, task)
                    if claimed:
                        self._claimed_at = time.monotonic()
                    else:
                        if until_idle:
                            if not len(self._under_way) and (await self._in_store(self._tasks.backlog)).waiting == 0:
                                return
                            await self._under_way.changed(_LEAST_WAIT_S)
                        else:
                            wait_s = await self._next_look_s()
                            await asyncio.get_running_loop().run_in_executor(thread, watch.wait, position, wait_s)
                    pause.worked()
                except (Unavailable, Overloaded) as error:
                    _LOG.warning("%s: trying again in %.1f s", error.message, pause.failed())

    def _look(self, feed: FeedReader, room: int, room_bytes: int) -> tuple[int, list[EmbeddingTask]]:
        """Claim tasks; return them after the feed's position before, beyond which a change ends the wait for more."""
        position = feed.last_position()
        return position, self._tasks.claim(room, self._settings.lease_s, room_bytes)

    def _begin(self, group: asyncio.TaskGroup, task: EmbeddingTask) -> None:
        preparing = group.create_task(self._prepare(self._under_way.add(task), task.picture))
        self._preparing.add(preparing)
        preparing.add_done_callback(self._preparing.discard)
        self._observe()

    async def _next_look_s(self) -> float:
        """Return how long nothing becomes due that the feed does not tell of."""
        due_us = await self._in_store(self._tasks.next_due_us)
        if due_us is None:
            return self._settings.poll_s
        return min(max((due_us - now_us()) / 1e6, _LEAST_WAIT_S), self._settings.poll_s)

    async def _prepare(self, job: Job, picture: Picture) -> None:
        """Fetch and decode one picture."""
        loop = asyncio.get_running_loop()
        try:
            async with self._fetching:
                if job.stage is Stage.GONE:
                    return
                began = time.monotonic()
                content = await self._pictures.read(picture)
                self._decoding += 1
                try:
                    pixels = await loop.run_in_executor(self._decoders, decode_picture, content)
                    self._under_way.decoded(job)
                    self._ready.put_nowait(ReadyPicture(job, pixels))
                finally:
                    self._decoding -= 1
                    self._decode_ended.set()
                worker_metrics.observe_stage("picture", time.monotonic() - began)
        except PictureError as error:
            self._fail(job, Reason(error.fault), str(error), pause_s=None)
        except PictureRefused as error:
            self._fail(job, error.reason, error.message, pause_s=None)
        except PictureUnreachable as error:
            pause_s = retry_pause_s(self._settings, job.attempts + 1, error.retry_after_s, self._rng)
            self._fail(job, error.reason, error.message, pause_s)
        except Exception:  # noqa: BLE001  (a fault of ours or of a decoder costs its picture, not the worker)
            _LOG.exception("item %r: its picture cannot be prepared", job.item_id)
            pause_s = retry_pause_s(self._settings, job.attempts + 1, None, self._rng)
            self._fail(job, Reason.EMBEDDING_FAILED, "an unforeseen fault; the worker's log has it", pause_s)

    async def _send(self) -> None:
        """Have Triton embed what is ready, for ever; one lane of several."""
        while True:
            await self._triton_pause.over(self._stop)
            async with self._filling:
                batch = await self._next_request()
            if batch:
                self._requests += 1
                self._observe()
                try:
                    await self._embed(batch)
                finally:
                    self._requests -= 1

    async def _next_request(self) -> list[ReadyPicture]:
        """Wait for a picture; bring along what is ready, and what will be as soon as it is decoded."""
        batch = [await self._ready.get()]
        while len(batch) < self._settings.request_pictures and (self._decoding or not self._ready.empty()):
            if self._ready.empty():
                self._decode_ended.clear()
                await self._decode_ended.wait()
            else:
                batch.append(self._ready.get_nowait())
        return [picture for picture in batch if picture.job.stage is not Stage.GONE]

    async def _embed(self, batch: Sequence[ReadyPicture]) -> None:
        began = time.monotonic()
        try:
            vectors = await self._triton.embed(self._tasks.encoder_id, np.stack([picture.pixels for picture in batch]))
        except Unavailable as error:
            # Not the pictures' fault: they go back for whoever reaches Triton, and keep their tries.
            for picture in batch:
                self._settled(picture.job, None)
            worker_metrics.observe_triton_failure()
            if not self._triton_pause.active:
                _LOG.warning("%s: trying again in %.1f s", error.message, self._triton_pause.failed())
            return
        self._triton_pause.worked()
        worker_metrics.observe_request(len(batch), time.monotonic() - began)
        for picture, vector in zip(batch, vectors, strict=True):
            lease = picture.job.lease
            if is_unit(vector):
                self._settled(picture.job, FinishedTask(lease.item_id, lease.picture_sha256, vector))
            else:
                message = "the encoder gave no unit vector for it"
                self._fail(picture.job, Reason.EMBEDDING_NOT_FINITE, message, pause_s=None)

    def _fail(self, job: Job, reason: Reason, message: str, pause_s: float | None) -> None:
        parked = pause_s is None
        _LOG.log(
            logging.WARNING if parked else logging.INFO,
            "item %r is not embedded%s: %s: %s",
            job.item_id,
            "" if pause_s is None else f", next try in {pause_s:.1f} s",
            reason,
            message,
        )
        worker_metrics.observe_failure(reason, parked=parked)
        self._settled(job, FailedTask(job.item_id, job.lease.picture_sha256, reason, message, pause_s))

    def _settled(self, job: Job, outcome: _Outcome) -> None:
        if job.stage is not Stage.GONE:
            job.stage = Stage.SETTLING
            self._outcomes.put_nowait((job, outcome))

    async def _settle(self) -> None:
        """Write results as they come, all that there are in one transaction, for ever."""
        pause = self._store_pause()
        while True:
            batch = [await self._outcomes.get()]
            while not self._outcomes.empty():
                batch.append(self._outcomes.get_nowait())
            while True:
                try:
                    await self._write(batch)
                    break
                except (Unavailable, Overloaded) as error:
                    # What was embedded is kept, and takes the room of what would be claimed.
                    _LOG.warning("%s: trying again in %.1f s", error.message, pause.failed())
                    await pause.over(asyncio.Event())
            pause.worked()
            now = time.monotonic()
            for job, outcome in batch:
                if isinstance(outcome, FinishedTask):
                    worker_metrics.observe_stage("all", now - job.since)
            self._under_way.remove([job for job, _ in batch])
            self._observe()

    async def _write(self, batch: Sequence[tuple[Job, _Outcome]]) -> None:
        finished = [outcome for _, outcome in batch if isinstance(outcome, FinishedTask)]
        if finished:
            await self._in_store(self._tasks.finish, finished)
            worker_metrics.observe_embedded(len(finished))
        async with self._leases:
            # The leases as they are now: one that was renewed since the outcome was noted has another end.
            failed = [
                replace(outcome, lease_until_us=job.lease.lease_until_us)
                for job, outcome in batch
                if isinstance(outcome, FailedTask)
            ]
            returned = [job.lease for job, outcome in batch if outcome is None]
            if failed:
                await self._in_store(self._tasks.fail, failed)
            if returned:
                await self._in_store(self._tasks.release, returned)
        self._progress(len(finished) + sum(task.retry_after_s is None for task in failed))

    async def _renew(self) -> None:
        """Keep the leases of what is under way, for ever."""
        while True:
            await asyncio.sleep(self._settings.lease_s / 3)
            async with self._leases:
                leases = self._under_way.leases()
                if not leases:
                    continue
                try:
                    renewed = await self._in_store(self._tasks.renew, leases, self._settings.lease_s)
                except (Unavailable, Overloaded) as error:
                    _LOG.warning("%s: leases are not renewed", error.message)
                else:
                    self._under_way.renewed(leases, renewed)

    async def _count(self) -> None:
        """Keep the backlog's figures for the metrics, for ever."""
        while True:
            began = time.monotonic()
            try:
                worker_metrics.observe_figures(await self._in_store(self._tasks.figures))
            except (Unavailable, Overloaded) as error:
                _LOG.debug("the backlog is not counted: %s", error.message)
            # A long backlog takes long to count; at most a twentieth of the time goes into it.
            await asyncio.sleep(max(self._settings.figures_s, 20 * (time.monotonic() - began)))

    async def _end(self, helpers: Sequence[asyncio.Task[None]]) -> None:
        """Let what is under way end, give the rest back, and end the helpers."""
        deadline = time.monotonic() + self._settings.stop_s
        while len(self._under_way) and time.monotonic() < deadline and not self._triton_pause.active:
            await self._under_way.changed(_LEAST_WAIT_S)
        # Not in the middle of a renewal: the store would carry it out all the same, and the lease that is given back
        # would not be the one that holds.
        async with self._leases:
            for task in (*helpers, *self._preparing):
                task.cancel()
        await asyncio.wait((*helpers, *self._preparing))
        try:
            await self._in_store(self._tasks.release, self._under_way.leases())
        except (Unavailable, Overloaded) as error:
            _LOG.warning("%s: pictures under way go to another worker when their leases end", error.message)
        self._observe(ended=True)

    def _store_pause(self) -> Pause:
        return Pause(_FIRST_PAUSE_S, self._settings.max_pause_s)

    def _observe(self, *, ended: bool = False) -> None:
        worker_metrics.observe_in_flight(pictures=0 if ended else len(self._under_way), requests=self._requests)

    async def _in_store(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        work = functools.partial(call, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._store_threads, work)
