"""The server's own impressions: what was answered, with what it was ranked by, for a share of requests.

The request's path only puts the page into a queue; a thread makes an event of it. Nobody is told whether it became
durable: where the queue or the disk cannot follow, impressions are dropped and counted.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from ruiji.v1 import recommendation_pb2
from ruiji_events.errors import JournalError
from ruiji_events.events import encode_event
from ruiji_events.journal import Journal
from ruiji_events.tables import Table

from ruiji_server.domain.errors import RuijiError
from ruiji_server.ranking.interleaving import DraftedPage
from ruiji_server.ranking.policy import RankingPolicy
from ruiji_server.ranking.query import Page
from ruiji_server.store.clock import now_us

_LOG = logging.getLogger(__name__)

_QUEUED: Final = 10_000
"""Pages that may wait; about 30 MB."""
_AT_ONCE: Final = 100


@dataclass(slots=True)
class ServedPage:
    """An answer to `SimilarItems` as it comes about, or the failure to give one. Once offered, it changes no more."""

    request_id: str
    query_item_id: str
    """Empty if the query was no item."""
    unit: str | None = None
    """The keyed hash."""
    page_size: int | None = None
    """Items asked for; None if the request did not say it soundly."""
    variants: Sequence[recommendation_pb2.VariantAssignment] = ()
    """Of experiments that the request took part in, failed or not."""
    policy: RankingPolicy | None = None
    """What the page was ranked by; None if it did not come so far, or two policies had a part in the page."""
    page: Page | DraftedPage | None = None
    answer: recommendation_pb2.SimilarItemsResponse | None = None
    error: str | None = None
    """Reason of the failure, if there was one."""
    latency_us: int = 0


class ImpressionLog:
    """Logs a share of what is served. Offer from one thread."""

    def __init__(
        self,
        journal: Journal,
        share: float,
        dropped: Callable[[int], None],
        seed: int | None = None,
    ) -> None:
        """Start the thread.

        Args:
            journal: where impressions are kept.
            share: of requests, above 0, at most 1.
            dropped: told the number of impressions that were lost.
            seed: of the draw; different in each process by default.
        """
        self._journal = journal
        self._share = share
        self._dropped = dropped
        self._random = random.Random(seed)  # noqa: S311  (a sample, not a secret)
        self._queue: queue.SimpleQueue[tuple[int, ServedPage] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="impressions", daemon=True)
        self._thread.start()

    def draws(self) -> bool:
        """Return whether a request is in the sample."""
        return self._random.random() < self._share

    @contextmanager
    def logged(self, served: ServedPage) -> Iterator[None]:
        """Log what becomes of a request in this context, and how long it takes."""
        started_ns = time.perf_counter_ns()
        try:
            yield
        except RuijiError as error:
            served.error = error.reason
            raise
        except asyncio.CancelledError:
            # The caller left, or its deadline passed.
            served.error = "CANCELLED"
            raise
        except Exception:
            served.error = "INTERNAL"
            raise
        finally:
            served.latency_us = (time.perf_counter_ns() - started_ns) // 1_000
            self.offer(served)

    def offer(self, served: ServedPage) -> None:
        """Log what was served; returns at once."""
        if self._queue.qsize() >= _QUEUED:
            self._dropped(1)
            return
        self._queue.put((now_us(), served))

    def close(self) -> None:
        """Write what waits, end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        ending = False
        while not ending:
            batch = [self._queue.get()]
            while len(batch) < _AT_ONCE and not self._queue.empty():
                batch.append(self._queue.get())
            ending = batch[-1] is None
            self._write([entry for entry in batch if entry is not None])

    def _write(self, batch: list[tuple[int, ServedPage]]) -> None:
        try:
            # Waited for, so that a slow disk fills the bounded queue and not the journal's.
            self._journal.append([encode_event(impression(at_us, served)) for at_us, served in batch]).result()
        except JournalError as error:
            _LOG.warning("%d impressions are lost: %s", len(batch), error)
            self._dropped(len(batch))


def impression(at_us: int, served: ServedPage) -> dict[str, Any]:
    """Return the columns of an impression, see `ruiji_events.schema`, and `table`.

    Args:
        at_us: when it was served, microseconds since 1970 UTC.
        served: what it was.
    """
    event: dict[str, Any] = {
        "table": Table.IMPRESSIONS,
        # A request is logged once, so that its id names the impression too.
        "event_id": f"server-{served.request_id}",
        "time": at_us,
        "received": at_us,
        "request_id": served.request_id,
        "unit": served.unit,
        "source": "server",
        "query_item_id": served.query_item_id,
        "latency_us": served.latency_us,
        "page_size": served.page_size,
        "error": served.error,
        "experiments": [
            {"experiment": one.experiment, "variant": one.variant, "forced": one.forced} for one in served.variants
        ],
        "items": [],
    }
    if served.error is not None or served.answer is None or served.page is None:
        return event
    answer, page = served.answer, served.page
    event |= {
        "encoder_id": answer.encoder_id or None,
        "generation_id": answer.generation_id or None,
        "exhausted": page.exhausted,
        "items": _items(answer, page),
    }
    if isinstance(page, DraftedPage) or served.policy is None:
        # Of two policies and two searches there is no one value.
        return event
    trace = page.trace
    return event | {
        "max_price_ratio": float("inf") if page.price_ratios is None else served.policy.max_price_ratio,
        "category_weight": 0.0 if page.category_similarities is None else served.policy.category_weight,
        "candidates": trace.candidates,
        "dropped_not_recommendable": trace.dropped_not_recommendable,
        "dropped_by_price": trace.dropped_by_price,
        "dropped_by_exclusion": trace.dropped_by_exclusion,
        "exact_scan": trace.exact_scan,
    }


def _items(answer: recommendation_pb2.SimilarItemsResponse, page: Page | DraftedPage) -> list[dict[str, Any]]:
    columns: dict[str, Sequence[object]] = {
        "item_id": [item.item_id for item in answer.items],
        "position": range(1, len(answer.items) + 1),
        "score": page.scores.tolist(),
        "cosine": page.cosines.tolist(),
    }
    if page.price_ratios is not None:
        columns["price_ratio"] = page.price_ratios.tolist()
    if page.category_similarities is not None:
        columns["category_similarity"] = page.category_similarities.tolist()
    if page.propensities is not None:
        columns["propensity"] = page.propensities.tolist()
    if isinstance(page, DraftedPage):
        columns["team"] = [item.team or None for item in answer.items]
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
