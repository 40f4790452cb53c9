"""How an embedding worker works."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Bounds and pauses of one worker.

    Its memory is bounded by them: `in_flight` pictures of 192 KiB, decoded; `inline_bytes` and `fetches` times 20 MB
    before that; and what `decoders` pictures need while they are decoded, 150 MB each at 50 megapixels.
    """

    lanes: int = 4
    """Requests to Triton under way at once; Triton batches them."""
    request_pictures: int = 8
    """Pictures in one request at most; more at once only wait for each other's transport."""
    in_flight: int = 96
    """Pictures between claim and stored result. No more are claimed, however many wait."""
    inline_bytes: int = 64_000_000
    """Bytes of pictures claimed out of the store and not decoded yet; one larger picture may come alone."""
    fetches: int = 16
    """Pictures being fetched or decoded at once."""
    decoders: int = 2
    """Threads that decode."""
    claim_s: float = 0.04
    """Shortest time from a claim that brought something to the next: listings that trickle in are taken some at a time,
    and one that comes after a pause at once."""
    lease_s: float = 30.0
    """After this long, pictures of a worker that died go to another. Renewed three times in that time."""
    poll_s: float = 0.5
    """Longest wait before looking for work that nothing announces: retries, and what dead workers left."""
    max_attempts: int = 10
    """Tries for a picture that cannot be reached, before it is parked; with the pauses below, half an hour."""
    retry_s: float = 2.0
    """Pause before the first further try; doubles each time, give or take half."""
    max_retry_s: float = 600.0
    """Longest pause before a further try, whatever the picture's server asks for."""
    max_pause_s: float = 10.0
    """Longest pause while Triton or the store is away."""
    stop_s: float = 8.0
    """Time for pictures under way when the worker is told to stop; those that take longer are given back."""
    figures_s: float = 10.0
    """How often the backlog is counted for the metrics; less often where that takes long."""

    def __post_init__(self) -> None:
        """Refuse what could not work."""
        if self.in_flight < self.request_pictures:
            raise ValueError(
                f"{self.in_flight} pictures under way never fill a request of {self.request_pictures}; raise in_flight"
            )


def retry_pause_s(
    settings: WorkerSettings, attempts: int, asked_s: float | None, rng: np.random.Generator
) -> float | None:
    """Return the pause before the next try of a picture, or None to give it up.

    Doubles with each try and is spread by half, so that pictures that failed together do not come back together.

    Args:
        settings: the bounds.
        attempts: failed tries, the last one included.
        asked_s: the pause that the picture's server asked for.
        rng: spreads.
    """
    if attempts >= settings.max_attempts:
        return None
    # Beyond some sixty doublings the cap holds anyway, and floats end at a thousand.
    doubled_s = settings.retry_s * math.ldexp(1.0, min(attempts - 1, 60))
    spread_s = doubled_s * rng.uniform(0.5, 1.5)
    return float(min(settings.max_retry_s, max(spread_s, asked_s or 0.0)))
