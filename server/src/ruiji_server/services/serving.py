"""What answers at the moment: a generation of each encoder with the changes since, all followed while serving."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ruiji_server.columns.live import ItemChange, LiveColumns
from ruiji_server.domain.errors import NotReady, Reason, Unavailable
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.errors import GenerationError, NoGeneration
from ruiji_server.generations.generation import Generation
from ruiji_server.ranking.recommender import Recommender
from ruiji_server.services import metrics
from ruiji_server.services.encoder_choice import EncoderChoice, choice_among
from ruiji_server.services.outage import Outage
from ruiji_server.services.shadow import ShadowQueries
from ruiji_server.store.embedded_items import UnknownEncoder
from ruiji_server.store.encoders import EncoderState, RegisteredEncoder, registered_encoders
from ruiji_server.store.engine import Database, StoreError
from ruiji_server.store.feed import FeedReader
from ruiji_server.store.feed_watch import watch_feed

_LOG = logging.getLogger(__name__)

_CHANGES_AT_ONCE = 200
"""Changes applied between two requests; takes about a millisecond."""
_READ_S = 0.05
"""Shortest time from one reading of the feed to the next: a stream of single changes is read some at a time."""
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
    shadow: ShadowQueries | None = None
    """Compares some of its answers with exact search."""
    followed: bool = True
    """False once its changes can no longer be read; only a newer generation helps."""

    @property
    def encoder_id(self) -> str:
        """The encoder of all its embeddings."""
        return self.generation.manifest.encoder_id


class ServingGenerations:
    """Holds what answers, and follows what is published, which encoder is promoted, and what changes.

    Use it in one event loop: changes are applied there, between requests, so that none sees half of one. Answers of a
    generation that was replaced meanwhile stay valid: its files stay mapped until the last request with it is done.
    """

    def __init__(self, directory: GenerationDirectory, database: Database, shadow: ShadowQueries | None = None) -> None:
        self._directory = directory
        self._shadow = shadow
        self._database = database
        self._outage = Outage(_LOG, "encoders and generations")
        self._feed = FeedReader(database)
        self._servings: dict[str, Serving] = {}
        self._choice: EncoderChoice | None = None
        self._tried: dict[str, str] = {}
        self._when_changed: list[Callable[[], None]] = []

    @property
    def shadow(self) -> ShadowQueries | None:
        """Compares some answers with exact search."""
        return self._shadow

    def when_changed(self, tell: Callable[[], None]) -> None:
        """Have somebody told whenever other generations answer, or others of the requests."""
        self._when_changed.append(tell)

    def shares_for(self, encoder_id: str) -> list[tuple[Serving, float]]:
        """Return among what `choose` divides the requests that name this encoder, or none if it is empty.

        Each comes with where its share ends: it answers queries whose hash, from 0 to 1, is below that and not below
        the one before. The last one answers all others.
        """
        if encoder_id:
            serving = self._servings.get(encoder_id)
            return [] if serving is None else [(serving, math.inf)]
        choice = self._choice
        return [] if choice is None else [(self._servings[one], end) for one, end in choice.ends()]

    def current(self) -> Serving:
        """Return what answers for the promoted encoder, or for the one that stands in while it is not loaded.

        Raises:
            Unavailable: nothing is loaded yet.
        """
        return self._servings[self._chosen().principal]

    def choose(self, encoder_id: str, query: bytes) -> Serving:
        """Return what answers a query.

        Args:
            encoder_id: the encoder that the request names; empty where it names none.
            query: what the query is about; the same query is answered by the same encoder.

        Raises:
            NotReady: the encoder that was named does not serve; says which do.
            Unavailable: nothing is loaded yet.
        """
        choice = self._chosen()
        if not encoder_id:
            return self._servings[choice.encoder_of(query)]
        serving = self._servings.get(encoder_id)
        if serving is None:
            raise NotReady(
                Reason.ENCODER_MISMATCH,
                f"encoder {encoder_id[:64]!r} does not serve; those that do: {', '.join(self._servings)}",
                field="encoder_id",
            )
        return serving

    def choose_for_item(self, encoder_id: str, item_id: str) -> Serving:
        """Return what answers a query by item, as `choose` does.

        Where the request names no encoder and the one that was chosen has not embedded the item, another that has
        answers, the promoted one first: no request fails because an encoder is still behind.
        """
        chosen = self.choose(encoder_id, item_id.encode())
        if encoder_id or len(self._servings) == 1 or chosen.live.row_of(item_id) is not None:
            return chosen
        having = (serving for serving, _ in self.all() if serving.live.row_of(item_id) is not None)
        return next(having, chosen)

    def get(self, encoder_id: str) -> Serving | None:
        """Return what answers for an encoder, or None if it does not serve."""
        return self._servings.get(encoder_id)

    def all(self) -> list[tuple[Serving, float]]:
        """Return everything that answers with its share of requests, the promoted encoder first."""
        choice = self._choice
        if choice is None:
            return []
        in_order = sorted(self._servings.values(), key=lambda serving: serving.encoder_id != choice.principal)
        return [(serving, choice.share_of(serving.encoder_id)) for serving in in_order]

    async def refresh(self) -> bool:
        """Look which encoders there are and what is published, and take it up; return whether something answers.

        A published generation that cannot be used is logged once; what answered before goes on. While the store is
        away nothing is taken up, since its changes would be missing; the next call tries again.
        """
        try:
            known = await asyncio.to_thread(registered_encoders, self._database)
        except Unavailable as error:
            self._outage.failed(error.message)
            return self._choice is not None
        self._outage.succeeded()
        retired = {encoder.encoder_id for encoder in known if encoder.state == EncoderState.RETIRED}
        dimensions = {encoder.encoder_id: encoder.dimensions for encoder in known}
        for encoder_id, published in (await asyncio.to_thread(self._directory.published)).items():
            if encoder_id not in retired and published != self._tried.get(encoder_id):
                await self._take_up(encoder_id, published, dimensions.get(encoder_id))
        self._divide(known, retired)
        return self._choice is not None

    async def follow_changes(self) -> None:
        """Apply the catalogue's changes for ever, as they are committed."""
        loop = asyncio.get_running_loop()
        watch, outage = watch_feed(self._database), Outage(_LOG, "changes of items")
        # A thread of its own: the watch is for one, and is closed only after its last wait has returned.
        with ThreadPoolExecutor(1, thread_name_prefix="feed") as thread:
            try:
                while True:
                    followed = [serving for serving, _ in self.all() if serving.followed]
                    if not followed:
                        await asyncio.sleep(_PAUSE_S / 10)
                        continue
                    behind = min(serving.feed_position for serving in followed)
                    try:
                        if await loop.run_in_executor(thread, watch.wait, behind, _WATCH_S):
                            began = loop.time()
                            for serving in followed:
                                await self._catch_up(serving)
                            await asyncio.sleep(began + _READ_S - loop.time())
                        # Only now: a watch that answers while reading fails is no end of the outage.
                        outage.succeeded()
                    except Unavailable as error:
                        outage.failed(error.message)
                        await asyncio.sleep(_PAUSE_S)
            finally:
                thread.submit(watch.close)

    async def _catch_up(self, serving: Serving) -> None:
        while True:
            try:
                changed, position = await asyncio.to_thread(
                    self._feed.changed_items, serving.encoder_id, serving.feed_position, _CHANGES_AT_ONCE
                )
            except StoreError:
                serving.followed = False
                generation_id = serving.generation.manifest.generation_id
                metrics.observe_followed(serving.encoder_id, followed=False)
                _LOG.exception("generation %s answers as it is: no change reaches it any more", generation_id)
                return
            if changed and not serving.generation.index.is_open:
                await asyncio.to_thread(_open_index, serving.generation)
            serving.live.apply(ItemChange(change.item_id, change.item) for change in changed)
            passed, serving.feed_position = position - serving.feed_position, position
            if passed:
                metrics.observe_changes(serving.encoder_id, position, changed_items=serving.live.changed_items)
            # Every change has a position of its own: so few positions cannot have held as many as were asked for.
            if passed < _CHANGES_AT_ONCE:
                return

    async def _take_up(self, encoder_id: str, published: str, dimensions: int | None) -> None:
        try:
            serving = await asyncio.to_thread(self._open, encoder_id, dimensions)
        except NoGeneration:
            return
        except Unavailable as error:
            _LOG.warning("generation %s waits: %s", published, error.message)
            return
        except (GenerationError, StoreError, UnknownEncoder):
            self._tried[encoder_id] = published
            _LOG.exception("generation %s cannot be served", published)
            return
        self._tried[encoder_id] = published
        self._adopt(serving)

    def _open(self, encoder_id: str, dimensions: int | None) -> Serving:
        """Open the published generation and bring it up to date; not in the event loop, for nobody sees it yet."""
        if dimensions is None:
            raise UnknownEncoder(encoder_id)
        generation = self._directory.open_current(encoder_id)
        if generation.manifest.dimensions != dimensions:
            raise GenerationError(
                f"{generation.folder} has vectors of {generation.manifest.dimensions} dimensions; encoder {encoder_id} "
                f"has {dimensions}: build a new generation with `ruiji index build`"
            )
        live = LiveColumns(generation.columns)
        position = generation.manifest.feed_position
        while True:
            changed, reached = self._feed.changed_items(encoder_id, position, 10 * _CHANGES_AT_ONCE)
            live.apply(ItemChange(change.item_id, change.item) for change in changed)
            if reached == position:
                if live.has_changes:
                    _open_index(generation)
                recommender = Recommender(live, generation.index, generation.neighbours)
                return Serving(generation, live, recommender, position, self._shadow)
            position = reached

    def _adopt(self, serving: Serving) -> None:
        manifest = serving.generation.manifest
        self._servings[serving.encoder_id] = serving
        self._tell()
        metrics.observe_generation(
            serving.encoder_id,
            items=manifest.items,
            recall_at_20=manifest.quality.recall_at_20,
            reachable_share=manifest.quality.reachable_share,
            feed_position=manifest.feed_position,
        )
        for band in manifest.quality.bands:
            metrics.observe_band_recall(serving.encoder_id, band.kept_share, band.recall_at_20)
        metrics.observe_followed(serving.encoder_id, followed=True)
        metrics.observe_changes(serving.encoder_id, serving.feed_position, changed_items=serving.live.changed_items)
        _LOG.info(
            "generation %s of encoder %s answers: %d items and %d changed since",
            manifest.generation_id,
            manifest.encoder_id,
            manifest.items,
            serving.live.changed_items,
        )

    def _divide(self, known: Sequence[RegisteredEncoder], retired: set[str]) -> None:
        """Divide requests among what is loaded, and let go of what is retired; in one go, so that no call sees half."""
        choice = choice_among(known, self._servings)
        if choice is None:
            return
        leaving = retired & self._servings.keys() - {choice.principal}
        for encoder_id in leaving:
            del self._servings[encoder_id]
            # Should it be revived, its generation is taken up again.
            self._tried.pop(encoder_id, None)
            metrics.observe_share(encoder_id, 0.0)
        if choice != self._choice:
            shares = {encoder_id: choice.share_of(encoder_id) for encoder_id in self._servings}
            for encoder_id, share in shares.items():
                metrics.observe_share(encoder_id, share)
            _LOG.info("requests go to %s", ", ".join(f"{name}: {share:.4g}" for name, share in shares.items()))
        changed, self._choice = choice != self._choice or bool(leaving), choice
        if changed:
            self._tell()

    def _tell(self) -> None:
        for tell in self._when_changed:
            tell()

    def _chosen(self) -> EncoderChoice:
        if self._choice is None:
            raise Unavailable(
                Reason.GENERATION_UNAVAILABLE, "no generation is loaded yet; build one with `ruiji index build`"
            )
        return self._choice


def _open_index(generation: Generation) -> None:
    """Open the index before a request has to: new items have no neighbours in the table. Not in the event loop."""
    generation.index.open(generation.columns.embeddings[0])
