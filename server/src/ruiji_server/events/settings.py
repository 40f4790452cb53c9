"""Which events are kept, and where. Imports nothing heavy, as `services.settings` does not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class EventSettings:
    """How a server keeps events."""

    journal: Path
    """Folder of the journals of this machine; see `ruiji_events.journal_folder`."""
    impression_share: float = 0.0
    """Of the answers to `SimilarItems`, the share that the server logs itself, 0 to 1, with what the page was ranked
    by. 0 logs none."""
    clock_skew_s: float = 300.0
    """Events up to this far in the future are taken for now, further ones are rejected."""
    max_age_s: float = 7 * 86_400.0
    """Older events are rejected: nobody can tell any more whether they were sent before."""
    max_segment_age_s: float = 300.0
    """A segment is handed to compaction at this age, if nobody asked for it before."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.impression_share <= 1.0:
            raise ValueError(f"impression_share is {self.impression_share}; it must be between 0 and 1")
        for name in ("clock_skew_s", "max_age_s", "max_segment_age_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be greater than 0")
