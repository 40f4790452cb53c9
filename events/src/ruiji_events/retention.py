"""Taking away what is old: whole days, of all tables."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

from ruiji_events.journal_folder import compaction_lock
from ruiji_events.storage import EventFolder
from ruiji_events.tables import Table


def trim(
    folder: EventFolder, journal: Path, before: date, *, progress: Callable[[int], None] = lambda _days: None
) -> dict[Table, int]:
    """Remove every partition of a day before a date.

    Args:
        folder: the partitions.
        journal: the folder of the machine's journals, for its lock.
        before: the first day that stays.
        progress: told of each partition that is gone.

    Returns:
        How many days were removed, by table.

    Raises:
        CompactionBusy: another process compacts, trims or erases.
        PartitionError: a partition cannot be removed; those before it are gone.
    """
    with compaction_lock(journal):
        return trim_locked(folder, before, progress)


def trim_locked(
    folder: EventFolder, before: date, progress: Callable[[int], None] = lambda _days: None
) -> dict[Table, int]:
    """Do what `trim` does, for who holds the lock."""
    removed = dict.fromkeys(Table, 0)
    for table in Table:
        for day in (day for day in folder.days(table) if day < before):
            folder.remove_day(table, day)
            removed[table] += 1
            progress(1)
    return removed
