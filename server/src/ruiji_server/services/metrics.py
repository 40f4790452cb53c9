"""What Prometheus sees of the server.

Where several processes share a port, prometheus_client adds up their counters and histograms; the gauges say below
which of their values stands for all. Among those alive, the freshest generation and the slowest reader count.
"""

from __future__ import annotations

import asyncio
import functools
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_LATENCY_BUCKETS_S: Final = (
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
)  # fmt: skip

_AT_ONCE: Final = 64
"""RPCs that are passed on together, so that the code for it is brought into the processor's caches once for all."""
_LATEST_S: Final = 0.25

_RPC_SECONDS: Final = Histogram(
    "ruiji_rpc_seconds", "Time to answer an RPC inside the server.", ["rpc", "code"], buckets=_LATENCY_BUCKETS_S
)
_SHORT_PAGES: Final = Counter("ruiji_short_pages_total", "Pages with fewer items than asked for.")
_EXACT_SCANS: Final = Counter("ruiji_exact_scans_total", "Queries answered by scanning a price band exactly.")
_WIDENINGS: Final = Counter("ruiji_search_widenings_total", "Searches repeated wider for want of eligible candidates.")
_OF_ENCODER: Final = ("encoder_id",)
_GENERATION_ITEMS: Final = Gauge(
    "ruiji_generation_items", "Items in the generation that answers.", _OF_ENCODER, multiprocess_mode="livemostrecent"
)
_GENERATION_RECALL: Final = Gauge(
    "ruiji_generation_recall_at_20",
    "Its recall at 20 when it was built.",
    _OF_ENCODER,
    multiprocess_mode="livemostrecent",
)
_GENERATION_FEED_POSITION: Final = Gauge(
    "ruiji_generation_feed_position",
    "Feed position that it was built at.",
    _OF_ENCODER,
    multiprocess_mode="livemostrecent",
)
_GENERATION_REACHABLE: Final = Gauge(
    "ruiji_generation_reachable_share",
    "Share of its items that searches find.",
    _OF_ENCODER,
    multiprocess_mode="livemostrecent",
)
_FEED_POSITION: Final = Gauge(
    "ruiji_feed_position",
    "Feed position up to which changes are in the answers.",
    _OF_ENCODER,
    multiprocess_mode="livemin",
)
_CHANGED_ITEMS: Final = Gauge(
    "ruiji_changed_items",
    "Items that changed since the generation was built.",
    _OF_ENCODER,
    multiprocess_mode="livemax",
)
_CHANGES_FOLLOWED: Final = Gauge(
    "ruiji_changes_followed",
    "1 while changes reach the answers; 0 if only a newer generation helps.",
    _OF_ENCODER,
    multiprocess_mode="livemin",
)
_REQUEST_SHARE: Final = Gauge(
    "ruiji_request_share",
    "Share of requests that the encoder answers if they name none.",
    _OF_ENCODER,
    multiprocess_mode="livemostrecent",
)
_BAND_RECALL: Final = Gauge(
    "ruiji_generation_band_recall_at_20",
    "Its recall at 20 in price bands that keep this share of the catalogue, when it was built.",
    ["encoder_id", "kept_share"],
    multiprocess_mode="livemostrecent",
)
_SHADOW_RECALL: Final = Histogram(
    "ruiji_shadow_recall_at_20",
    "Recall at 20 of answered queries, against exact search.",
    ["encoder_id"],
    buckets=(0.0, 0.25, 0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99, 1.0),
)
_SHADOW_SKIPPED: Final = Counter(
    "ruiji_shadow_skipped_total", "Queries drawn for comparison while another one was being compared."
)

_EVENTS: Final = Counter("ruiji_events_total", "Events of RecordEvents by what became of them.", ["outcome"])
_IMPRESSIONS_DROPPED: Final = Counter(
    "ruiji_impressions_dropped_total", "The server's own impressions that were lost because the disk was too slow."
)


_noted: list[tuple[Histogram, float]] = []


def observe_rpc(rpc: str, code: str, seconds: float) -> None:
    """Note an answered RPC, in an event loop; Prometheus sees it within `_LATEST_S`."""
    _noted.append((_seconds_of(rpc, code), seconds))
    if len(_noted) >= _AT_ONCE:
        flush()
    elif len(_noted) == 1:
        asyncio.get_running_loop().call_later(_LATEST_S, flush)


def flush() -> None:
    """Pass on to Prometheus what was noted."""
    for histogram, seconds in _noted:
        histogram.observe(seconds)
    _noted.clear()


@functools.cache
def _seconds_of(rpc: str, code: str) -> Histogram:
    # `labels` takes a lock and makes strings of its arguments each time.
    return _RPC_SECONDS.labels(rpc, code)


def observe_page(*, short: bool, exact_scan: bool, widenings: int) -> None:
    """Note how a page of similar items came about."""
    if short:
        _SHORT_PAGES.inc()
    if exact_scan:
        _EXACT_SCANS.inc()
    if widenings:
        _WIDENINGS.inc(widenings)


def observe_generation(
    encoder_id: str, *, items: int, recall_at_20: float, reachable_share: float, feed_position: int
) -> None:
    """Note which generation answers for an encoder from now on."""
    _GENERATION_ITEMS.labels(encoder_id).set(items)
    _GENERATION_RECALL.labels(encoder_id).set(recall_at_20)
    _GENERATION_REACHABLE.labels(encoder_id).set(reachable_share)
    _GENERATION_FEED_POSITION.labels(encoder_id).set(feed_position)


def observe_changes(encoder_id: str, feed_position: int, *, changed_items: int) -> None:
    """Note how far changes are in an encoder's answers."""
    _FEED_POSITION.labels(encoder_id).set(feed_position)
    _CHANGED_ITEMS.labels(encoder_id).set(changed_items)


def observe_followed(encoder_id: str, *, followed: bool) -> None:
    """Note whether changes reach an encoder's answers."""
    _CHANGES_FOLLOWED.labels(encoder_id).set(followed)


def observe_share(encoder_id: str, share: float) -> None:
    """Note the share of requests that an encoder answers."""
    _REQUEST_SHARE.labels(encoder_id).set(share)


def observe_band_recall(encoder_id: str, kept_share: float, recall_at_20: float) -> None:
    """Note the recall of a generation that answers from now on, in price bands of one width."""
    _BAND_RECALL.labels(encoder_id, f"{kept_share:g}").set(recall_at_20)


def observe_shadow(encoder_id: str, recall_at_20: float) -> None:
    """Note how a query compares with exact search."""
    _SHADOW_RECALL.labels(encoder_id).observe(recall_at_20)


def observe_shadow_skipped() -> None:
    """Note that a query was drawn and not compared."""
    _SHADOW_SKIPPED.inc()


def observe_events(outcome: str, number: int) -> None:
    """Note what became of some events of a batch."""
    _EVENTS.labels(outcome).inc(number)


def observe_impressions_dropped(number: int) -> None:
    """Note that the server could not log some of its own impressions."""
    _IMPRESSIONS_DROPPED.inc(number)
