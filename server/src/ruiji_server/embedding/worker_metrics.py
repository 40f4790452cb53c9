"""What Prometheus sees of an embedding worker. Only worker processes import this."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from ruiji_server.store.embedding_tasks import BacklogFigures

_WAITING: Final = Gauge("ruiji_embedding_backlog", "Pictures that wait for this encoder, by every worker's view alike.")
_RETRYING: Final = Gauge("ruiji_embedding_retrying", "Of these, pictures that failed before and wait for another try.")
_OLDEST: Final = Gauge(
    "ruiji_embedding_oldest_due_seconds", "Time that the longest due picture has waited for a worker."
)
_PARKED: Final = Gauge("ruiji_embedding_parked", "Pictures given up, by reason.", ["reason"])
_EMBEDDED: Final = Counter("ruiji_embeddings_total", "Embeddings that this worker stored.")
_FAILURES: Final = Counter(
    "ruiji_embedding_failures_total", "Pictures that this worker could not embed.", ["reason", "outcome"]
)
_REQUEST_PICTURES: Final = Histogram(
    "ruiji_embedding_request_pictures",
    "Pictures in a request to Triton; near --request-pictures under backlog.",
    buckets=(1, 2, 4, 8, 16, 32, 64),
)
_REQUESTS: Final = Gauge("ruiji_embedding_triton_requests", "Requests to Triton under way.")
_IN_FLIGHT: Final = Gauge("ruiji_embedding_in_flight", "Pictures between their claim and the stored result.")
_SECONDS: Final = Histogram(
    "ruiji_embedding_seconds",
    "Time of a picture in a stage of this worker.",
    ["stage"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
_LOST_LEASES: Final = Counter("ruiji_embedding_lost_leases_total", "Leases that ended while this worker had them.")
_TRITON_FAILURES: Final = Counter("ruiji_embedding_triton_failures_total", "Requests that Triton did not answer.")


def observe_figures(figures: BacklogFigures) -> None:
    """Note how the backlog stands."""
    _WAITING.set(figures.waiting)
    _RETRYING.set(figures.retrying)
    _OLDEST.set(figures.oldest_due_s)
    _PARKED.clear()
    for reason, count in figures.parked.items():
        _PARKED.labels(reason).set(count)


def observe_embedded(count: int) -> None:
    """Note stored embeddings."""
    _EMBEDDED.inc(count)


def observe_failure(reason: str, *, parked: bool) -> None:
    """Note a picture that failed."""
    _FAILURES.labels(reason, "parked" if parked else "retried").inc()


def observe_request(pictures: int, seconds: float) -> None:
    """Note an answered request to Triton."""
    _REQUEST_PICTURES.observe(pictures)
    _SECONDS.labels("triton").observe(seconds)


def observe_stage(stage: str, seconds: float) -> None:
    """Note how long a picture was in a stage: `picture` (fetch and decode) or `all`."""
    _SECONDS.labels(stage).observe(seconds)


def observe_in_flight(*, pictures: int, requests: int) -> None:
    """Note what is under way."""
    _IN_FLIGHT.set(pictures)
    _REQUESTS.set(requests)


def observe_triton_failure() -> None:
    """Note a request that failed."""
    _TRITON_FAILURES.inc()


def observe_lost_leases(count: int) -> None:
    """Note leases that were lost."""
    _LOST_LEASES.inc(count)
