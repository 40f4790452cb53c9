"""Days as people name them on the command line. The log's partitions are days of UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta


def today() -> date:
    """Return the day that it is now."""
    return datetime.now(UTC).date()


def days_before(days: int) -> date:
    """Return the day that was so many days ago."""
    return today() - timedelta(days=days)
