"""What visitors and sellers do, as numbers: who asks what, how often, and what is too slow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

BY_ITEM: Final = "SimilarItems"
BY_PICTURE: Final = "SimilarItems by picture"
UPSERT: Final = "UpsertItems"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A kind of load, and when it fails."""

    about: str
    """For people, one line."""
    max_p99_ms: Mapping[str, float]
    """Largest acceptable 99th percentile by request name; requests that are not named have no limit."""
    picture_share: float = 0.0
    """Share of the requests that ask with a picture, 0 to 1."""
    upsert_share: float = 0.0
    """Share of the requests that upsert an item, 0 to 1."""
    users: int = 20
    """How many users `ruiji loadtest` simulates; each asks ten times a second unless told otherwise."""
    requests_per_user: float = 10.0
    """Requests a second of each user."""
    run_time_s: float = 60.0
    """How long `ruiji loadtest` runs it."""
    spike_factor: float = 1.0
    """By how much the rate is higher in the middle fifth of the run."""

    def rate_factor(self, elapsed_share: float) -> float:
        """Return how many times the usual rate is asked at a moment of the run, 0 (start) to 1 (end)."""
        return self.spike_factor if 0.4 <= elapsed_share < 0.6 else 1.0


SCENARIOS: Final[Mapping[str, Scenario]] = MappingProxyType(
    {
        "browse": Scenario(
            about="Visitors look at listings, some far more popular than others.",
            max_p99_ms={BY_ITEM: 100.0},
        ),
        "picture": Scenario(
            about="Visitors search with a photograph of their own, which Triton embeds on the spot.",
            max_p99_ms={BY_PICTURE: 2_000.0},
            picture_share=1.0,
            users=4,
            requests_per_user=1.0,
        ),
        "live": Scenario(
            about="Visitors browse and a few ask with a picture, while sellers change their listings.",
            max_p99_ms={BY_ITEM: 150.0, BY_PICTURE: 3_000.0, UPSERT: 1_000.0},
            picture_share=0.01,
            upsert_share=0.1,
        ),
        "spike": Scenario(
            about="Visitors browse; for a fifth of the run, five times as many as usual.",
            max_p99_ms={BY_ITEM: 250.0},
            users=40,
            requests_per_user=2.0,
            spike_factor=5.0,
        ),
        "soak": Scenario(
            about="The live mix for hours, at a rate that leaves room: what leaks shows.",
            max_p99_ms={BY_ITEM: 150.0, BY_PICTURE: 3_000.0, UPSERT: 1_000.0},
            picture_share=0.01,
            upsert_share=0.05,
            users=10,
            requests_per_user=5.0,
            run_time_s=4 * 3600.0,
        ),
    }
)
"""By the name that options take."""
