"""The generation that answers at the moment, and changing it while serving."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from ruiji_server.columns.live import LiveColumns
from ruiji_server.domain.errors import Reason, Unavailable
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.errors import GenerationError, NoGeneration
from ruiji_server.generations.generation import Generation
from ruiji_server.ranking.recommender import Recommender
from ruiji_server.services import metrics

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Serving:
    """A generation with its recommender. A request takes one at its start and keeps it to its end."""

    generation: Generation
    live: LiveColumns
    recommender: Recommender


class ServingGeneration:
    """Holds what answers, and follows what is published.

    Answers of a generation that was replaced meanwhile stay valid: its files stay mapped until the last request that
    took it is done.
    """

    def __init__(self, directory: GenerationDirectory) -> None:
        self._directory = directory
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
        """Open what is published if that changed; return whether something answers.

        A published generation that cannot be used is logged once; what answered before goes on.
        """
        published = await asyncio.to_thread(self._directory.current_id)
        if published is not None and published != self._tried_id:
            self._tried_id = published
            try:
                generation = await asyncio.to_thread(self._directory.open_current)
            except NoGeneration:
                pass
            except GenerationError:
                _LOG.exception("generation %s cannot be served", published)
            else:
                self._adopt(generation)
        return self._current is not None

    def _adopt(self, generation: Generation) -> None:
        manifest = generation.manifest
        live = LiveColumns(generation.columns)
        self._current = Serving(generation, live, Recommender(live, generation.index))
        metrics.observe_generation(
            items=manifest.items,
            recall_at_20=manifest.quality.recall_at_20,
            reachable_share=manifest.quality.reachable_share,
            feed_position=manifest.feed_position,
        )
        _LOG.info("generation %s answers: %d items", manifest.generation_id, manifest.items)
