"""What Prometheus sees of experiments."""

from __future__ import annotations

import functools
from typing import Final

from prometheus_client import Counter, Gauge

_REQUESTS: Final = Counter(
    "ruiji_experiment_requests_total", "Requests that took part in an experiment.", ["experiment", "variant"]
)
_LEFT_OUT: Final = Counter(
    "ruiji_experiment_left_out_total",
    "Requests of an experiment's units that took no part in it, and were answered as if it were not there.",
    ["experiment", "reason"],
)
_REVISION: Final = Gauge(
    "ruiji_experiment_revision", "Last change of experiments that is in force.", multiprocess_mode="livemin"
)


def observe_request(experiment: str, variant: str) -> None:
    """Note that a request took part."""
    _requests_of(experiment, variant).inc()


def observe_left_out(experiment: str, reason: str) -> None:
    """Note that a request took no part although its unit is in the experiment, and why."""
    _left_out_of(experiment, reason).inc()


def observe_revision(revision: int) -> None:
    """Note which change is in force from now on."""
    _REVISION.set(revision)


# `labels` takes a lock and makes strings of its arguments each time.
@functools.cache
def _requests_of(experiment: str, variant: str) -> Counter:
    return _REQUESTS.labels(experiment, variant)


@functools.cache
def _left_out_of(experiment: str, reason: str) -> Counter:
    return _LEFT_OUT.labels(experiment, reason)
