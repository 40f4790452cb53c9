"""The names of the tables. Imports nothing heavy: serving processes need no more than this of the schema."""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import StrEnum


class Table(StrEnum):
    """What there is a table of."""

    IMPRESSIONS = "impressions"
    """Pages of similar items that were answered (source `server`) or seen (source `client`)."""
    TAPS = "taps"
    """Taps on recommended items."""
    PURCHASES = "purchases"
    """Purchases of any items."""
    UNKNOWN = "unknown"
    """Taps and purchases that name a request of which there is no impression (yet)."""


def day_of(time_us: int) -> date:
    """Return the UTC date of a time in microseconds since 1970 UTC."""
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).date()
