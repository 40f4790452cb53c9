"""What a load test found, as numbers and as a verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

GENERATOR_LIMIT_CPU = 0.9
"""Cores. The generator runs on one thread: above this it measures itself."""

TIMER_LAG_MS = 2.0
"""What the timers of an event loop may be late by on an idle machine, in milliseconds, amply."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Exact percentiles, in milliseconds."""

    p50: float
    p90: float
    p99: float
    p99_9: float
    max: float


def percentiles_ms(values_s: NDArray[np.float64]) -> Percentiles | None:
    """Return the percentiles of durations in seconds, shape (n,); None if there are none."""
    if not len(values_s):
        return None
    p50, p90, p99, p99_9, largest = (1000 * np.percentile(values_s, [50, 90, 99, 99.9, 100])).round(3).tolist()
    return Percentiles(p50, p90, p99, p99_9, largest)


@dataclass(frozen=True, slots=True)
class OpenLoopReport:
    """What an open-loop run measured, after its warm-up."""

    duration_s: float
    """Length of the window that was measured."""
    requests: int
    """Arrivals in the window."""
    offered_per_s: float
    """Arrivals in the window, a second."""
    answered_per_s: float
    """Good answers that came within the window, a second. Well below `offered_per_s`: the queue was growing."""
    errors: Mapping[str, int]
    """How often each failure happened, by status and reason."""
    latency_ms: Percentiles | None
    """From the moment a request was due to its good answer, all waiting included. None if nothing was answered."""
    send_lag_ms: Percentiles | None
    """From the moment a request was due to its being sent: how far the generator itself was behind. Timers alone make
    this up to 1 ms; it is part of `latency_ms`."""
    generator_cpu: float
    """Cores that the generator kept busy. Near 1 it was the generator that could do no more."""

    def failures(self, *, max_p99_ms: float | None = None) -> list[str]:
        """Return what is wrong with the run; empty if it passed.

        Args:
            max_p99_ms: the largest acceptable 99th percentile of the latency; None accepts any.
        """
        found = [f"{count} requests failed with {name}" for name, count in self.errors.items()]
        if self.latency_ms is None:
            found.append("nothing was answered")
        elif max_p99_ms is not None and self.latency_ms.p99 > max_p99_ms:
            found.append(f"p99 is {self.latency_ms.p99:.1f} ms, above the limit of {max_p99_ms:g} ms")
        return found

    @property
    def generator_was_the_limit(self) -> bool:
        """Whether the generator had no time to spare, so that the rate is its own and not the server's."""
        return self.generator_cpu >= GENERATOR_LIMIT_CPU

    @property
    def generator_was_late(self) -> bool:
        """Whether much of the latency is the generator's: it, or the machine it shares, had no time to send."""
        if self.latency_ms is None or self.send_lag_ms is None:
            return False
        return self.send_lag_ms.p99 > max(TIMER_LAG_MS, self.latency_ms.p99 / 2)


@dataclass(frozen=True, slots=True)
class SaturationReport:
    """The highest rate that the server kept up with, and how it was found."""

    sustained: OpenLoopReport | None
    """The run at the highest rate that passed; None if not even the first did."""
    exceeded: OpenLoopReport | None
    """The run at the lowest rate that did not pass; None if the generator gave up first."""
    generator_was_the_limit: bool
    """True if the generator had no time to spare: the server may be able to do more."""
    steps: tuple[OpenLoopReport, ...]
    """All runs, in order."""


def to_json(report: OpenLoopReport | SaturationReport) -> str:
    """Return the report as a JSON object."""
    return json.dumps(asdict(report), indent=2)
