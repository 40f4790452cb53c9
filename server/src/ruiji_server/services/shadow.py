"""Shadow queries: a small share of what is asked is compared with exact search, so that recall is known in service.

What a manifest says was measured when the generation was built; queries of people and a catalogue that has moved on
may fare otherwise. The exact search runs in a thread, one at a time, block by block with pauses, so that it takes no
more than a set share of one core and never holds the interpreter for long. What comes meanwhile is not compared.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ruiji_server.domain.limits import MAX_PRICE_MINOR
from ruiji_server.generations.recall import NEIGHBOURS, found_share, merge_largest
from ruiji_server.ranking.price_band import PriceBand
from ruiji_server.ranking.query import Query
from ruiji_server.services import metrics
from ruiji_server.services.settings import ShadowSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from ruiji_server.services.serving import Serving

_LOG = logging.getLogger(__name__)
_BLOCK_ROWS = 4_096
"""2 MB of 128-dimensional rows: about a millisecond."""
_EVERY_PRICE = PriceBand(0, MAX_PRICE_MINOR)


class ShadowQueries:
    """Compares some queries with exact search. Use it in the event loop that serves."""

    def __init__(self, settings: ShadowSettings, seed: int | None = None) -> None:
        """Prepare.

        Args:
            settings: how much is compared.
            seed: of the draw; different in each process by default.
        """
        self._settings = settings
        self._random = random.Random(seed)  # noqa: S311  (a sample, not a secret)
        self._stopping = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="shadow")
        self._running: asyncio.Future[float] | None = None

    def draws(self) -> bool:
        """Return whether a query is in the share that is compared."""
        return self._random.random() < self._settings.share

    def gap(self) -> int | None:
        """Return how many queries come before the next one in that share; None if there is none.

        As many as if each were drawn by itself.
        """
        share = self._settings.share
        if share >= 1.0:
            return 0
        return int(math.log(1.0 - self._random.random()) / math.log1p(-share)) if share > 0.0 else None

    def compare(self, query: Query, serving: Serving) -> None:
        """Compare a query that was just answered, unless another one still is; returns at once."""
        if self._stopping.is_set():
            return
        if self._running is not None and not self._running.done():
            metrics.observe_shadow_skipped()
            return
        # In the event loop, where nothing changes meanwhile: what is served, and what should be.
        served = serving.recommender.recommend(replace(query, page_size=NEIGHBOURS, category_path=None)).cosines
        search = _ExactSearch.prepare(query, serving)
        self._running = asyncio.get_running_loop().run_in_executor(self._thread, self._compare, served, search)
        encoder_id = serving.generation.manifest.encoder_id
        self._running.add_done_callback(lambda done: _report(done, encoder_id))

    async def close(self) -> None:
        """Give up what is under way."""
        self._stopping.set()
        if self._running is not None:
            await asyncio.wait([self._running])
        self._thread.shutdown()

    def _compare(self, served: NDArray[np.float32], search: _ExactSearch) -> float:
        nearest = search.run(self._rest)
        return found_share(served, nearest) if len(nearest) else 1.0

    def _rest(self, spent_s: float) -> None:
        """Pause so long that the time spent is the share of a core that is allowed."""
        if self._stopping.wait(spent_s * (1.0 / self._settings.cpu_share - 1.0)):
            raise _Stopped


class _Stopped(Exception):  # noqa: N818
    """The server ends."""


@dataclass(frozen=True, slots=True)
class _ExactSearch:
    """An exact search over one moment of a generation and its changes; holds nothing that changes."""

    vector: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    rows: NDArray[np.uint32]
    """Of the generation, on sale in the currency and the band."""
    dropped: NDArray[np.int64]
    """Of these, changed since or excluded."""
    changed_cosines: NDArray[np.float32]
    """Of eligible items that changed since."""

    @classmethod
    def prepare(cls, query: Query, serving: Serving) -> _ExactSearch:
        """Note what there is to search."""
        live = serving.live
        currency, band = query.eligible_currency, query.band or _EVERY_PRICE
        excluded = query.all_excluded_rows
        changed = live.changed_rows_on_sale(currency, band.low_minor, band.high_minor)
        changed = changed[~np.isin(changed, excluded)]
        return cls(
            vector=query.vector,
            embeddings=live.base.embeddings,
            rows=live.base.rows_on_sale(currency, band.low_minor, band.high_minor),
            dropped=np.union1d(live.hidden_rows, excluded),
            changed_cosines=live.changed_cosines(changed, query.vector),
        )

    def run(self, rest: Callable[[float], None]) -> NDArray[np.float32]:
        """Return the cosines of the nearest 20, best first; call `rest` with the seconds spent after each block."""
        nearest = merge_largest(np.empty(0, dtype=np.float32), self.changed_cosines)
        for start in range(0, len(self.rows), _BLOCK_ROWS):
            started = time.perf_counter()
            rows = self.rows[start : start + _BLOCK_ROWS]
            rows = rows[~np.isin(rows, self.dropped)]
            nearest = merge_largest(nearest, self.embeddings.take(rows, axis=0) @ self.vector)
            rest(time.perf_counter() - started)
        return nearest


def _report(done: asyncio.Future[float], encoder_id: str) -> None:
    if done.cancelled():
        return
    error = done.exception()
    if error is None:
        metrics.observe_shadow(encoder_id, done.result())
    elif not isinstance(error, _Stopped):
        _LOG.error("a shadow query failed", exc_info=error)
