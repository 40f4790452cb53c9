"""What Prometheus sees of the server."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_LATENCY_BUCKETS_S: Final = (
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
)  # fmt: skip

_RPC_SECONDS: Final = Histogram(
    "ruiji_rpc_seconds", "Time to answer an RPC inside the server.", ["rpc", "code"], buckets=_LATENCY_BUCKETS_S
)
_SHORT_PAGES: Final = Counter("ruiji_short_pages_total", "Pages with fewer items than asked for.")
_EXACT_SCANS: Final = Counter("ruiji_exact_scans_total", "Queries answered by scanning a price band exactly.")
_WIDENINGS: Final = Counter("ruiji_search_widenings_total", "Searches repeated wider for want of eligible candidates.")
_GENERATION_ITEMS: Final = Gauge("ruiji_generation_items", "Items in the generation that answers.")
_GENERATION_RECALL: Final = Gauge("ruiji_generation_recall_at_20", "Its recall at 20 when it was built.")
_GENERATION_FEED_POSITION: Final = Gauge("ruiji_generation_feed_position", "Feed position that it was built at.")
_FEED_POSITION: Final = Gauge("ruiji_feed_position", "Feed position up to which changes are in the answers.")
_CHANGED_ITEMS: Final = Gauge("ruiji_changed_items", "Items that changed since the generation was built.")
_GENERATION_REACHABLE: Final = Gauge("ruiji_generation_reachable_share", "Share of its items that searches find.")


def observe_rpc(rpc: str, code: str, seconds: float) -> None:
    """Note an answered RPC."""
    _RPC_SECONDS.labels(rpc, code).observe(seconds)


def observe_page(*, short: bool, exact_scan: bool, widenings: int) -> None:
    """Note how a page of similar items came about."""
    if short:
        _SHORT_PAGES.inc()
    if exact_scan:
        _EXACT_SCANS.inc()
    if widenings:
        _WIDENINGS.inc(widenings)


def observe_generation(*, items: int, recall_at_20: float, reachable_share: float, feed_position: int) -> None:
    """Note which generation answers from now on."""
    _GENERATION_ITEMS.set(items)
    _GENERATION_RECALL.set(recall_at_20)
    _GENERATION_REACHABLE.set(reachable_share)
    _GENERATION_FEED_POSITION.set(feed_position)


def observe_changes(*, feed_position: int, changed_items: int) -> None:
    """Note how far changes are in the answers."""
    _FEED_POSITION.set(feed_position)
    _CHANGED_ITEMS.set(changed_items)
