"""What answers at the moment: a generation with the changes since, both followed while serving."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ruiji_server.columns.live import ItemChange, LiveColumns
from ruiji_server.domain.errors import Reason, Unavailable
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.errors import GenerationError, NoGeneration
from ruiji_server.generations.generation import Generation
from ruiji_server.ranking.recommender import Recommender
from ruiji_server.services import metrics
from ruiji_server.store.embedded_items import UnknownEncoder
from ruiji_server.store.engine import Database, StoreError
from ruiji_server.store.feed import FeedReader
from ruiji_server.store.feed_watch import watch_feed

_LOG = logging.getLogger(__name__)

_CHANGES_AT_ONCE = 200
"""Changes applied between two requests; takes about a millisecond."""
_WATCH_S = 0.5
"""Longest wait for a change before looking whether to end."""
_PAUSE_S = 1.0
"""Pause while the store is away."""


@dataclass(slots=True)
class Serving:
    """A generation, what changed since, and how far the feed was read. A request keeps the one it began with."""

    generation: Generation
    live: LiveColumns
    recommender: Recommender
    feed_position: int
    """Every change up to here is in `live`."""


class ServingGeneration:
    """Holds what answers, and follows what is published and what changes.

    Use it in one event loop: changes are applied there, between requests, so that none sees half of one. Answers of a
    generation that was replaced meanwhile stay valid: its files stay mapped until the last request with it is done.
    """

    def __init__(self, directory: GenerationDirectory, database: Database) -> None:
        self._directory = directory
        self._database = database
        self._feed = FeedReader(database)
        self._current: Serving | None = None
        self._tried_id: str | None = None

    def current(self) -> Serving:
        """Return what answers.

        Raises:
            Unavailable: nothing is loaded yet.
        """
        if self._current is None:
            raise Unavailable(
                Reason.GENERATION_UNAVAILABLE, "no generation is loaded yet; build one with `ruiji index build`"
            )
        return self._current

    async def refresh(self) -> bool:
        """Open what is published if that changed, with all changes since; return whether something answers.

        A published generation that cannot be used is logged once; what answered before goes on. While the store is
        away nothing is adopted, since its changes would be missing; the next call tries again.
        """
        published = await asyncio.to_thread(self._directory.current_id)
        if published is not None and published != self._tried_id:
            try:
                serving = await asyncio.to_thread(self._open)
            except NoGeneration:
                pass
            except (GenerationError, StoreError, UnknownEncoder):
                self._tried_id = published
                _LOG.exception("generation %s cannot be served", published)
            except Unavailable as error:
                _LOG.warning("generation %s waits: %s", published, error.message)
            else:
                self._tried_id = published
                self._adopt(serving)
        return self._current is not None

    async def follow_changes(self) -> None:
        """Apply the catalogue's changes for ever, as they are committed."""
        loop = asyncio.get_running_loop()
        watch = watch_feed(self._database)
        # A thread of its own: the watch is for one, and is closed only after its last wait has returned.
        with ThreadPoolExecutor(1, thread_name_prefix="feed") as thread:
            try:
                while True:
                    serving = self._current
                    if serving is None:
                        await asyncio.sleep(_PAUSE_S / 10)
                        continue
                    try:
                        if await loop.run_in_executor(thread, watch.wait, serving.feed_position, _WATCH_S):
                            await self._catch_up(serving)
                    except Unavailable as error:
                        _LOG.warning("changes are not seen at the moment: %s", error.message)
                        await asyncio.sleep(_PAUSE_S)
                    except StoreError:
                        _LOG.exception("changes cannot be followed")
                        await asyncio.sleep(_PAUSE_S)
            finally:
                thread.submit(watch.close)

    async def _catch_up(self, serving: Serving) -> None:
        encoder_id = serving.generation.manifest.encoder_id
        while True:
            changed, position = await asyncio.to_thread(
                self._feed.changed_items, encoder_id, serving.feed_position, _CHANGES_AT_ONCE
            )
            serving.live.apply(ItemChange(change.item_id, change.item) for change in changed)
            if position == serving.feed_position:
                return
            serving.feed_position = position
            metrics.observe_changes(feed_position=position, changed_items=serving.live.changed_items)

    def _open(self) -> Serving:
        """Open the published generation and bring it up to date; not in the event loop, for nobody sees it yet."""
        generation = self._directory.open_current()
        manifest = generation.manifest
        live = LiveColumns(generation.columns)
        position = manifest.feed_position
        while True:
            changed, reached = self._feed.changed_items(manifest.encoder_id, position, 10 * _CHANGES_AT_ONCE)
            live.apply(ItemChange(change.item_id, change.item) for change in changed)
            if reached == position:
                return Serving(generation, live, Recommender(live, generation.index), position)
            position = reached

    def _adopt(self, serving: Serving) -> None:
        manifest = serving.generation.manifest
        self._current = serving
        metrics.observe_generation(
            items=manifest.items,
            recall_at_20=manifest.quality.recall_at_20,
            reachable_share=manifest.quality.reachable_share,
            feed_position=manifest.feed_position,
        )
        metrics.observe_changes(feed_position=serving.feed_position, changed_items=serving.live.changed_items)
        _LOG.info(
            "generation %s answers: %d items and %d changed since",
            manifest.generation_id,
            manifest.items,
            serving.live.changed_items,
        )
