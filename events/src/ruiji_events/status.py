"""What there is: of each table, and in the journal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ruiji_events.errors import PartitionDamaged
from ruiji_events.journal_folder import open_segments, sealed_segments
from ruiji_events.storage import EventFolder
from ruiji_events.tables import Table


@dataclass(frozen=True, slots=True)
class TableStatus:
    """One table."""

    rows: int
    files: int
    first_day: date | None
    """None if there is nothing."""
    last_day: date | None
    damaged: tuple[PartitionDamaged, ...]
    """One for each file that is half written or in another format."""


@dataclass(frozen=True, slots=True)
class JournalStatus:
    """What waits to be compacted."""

    open_segments: int
    """Being written, or left by writers that died."""
    sealed_segments: int
    bytes: int
    """Of all of them."""
    damaged_segments: int
    """Kept aside by `ruiji events compact --salvage`."""


def table_status(folder: EventFolder, table: Table) -> TableStatus:
    """Look at the end of every file of a table."""
    days = folder.days(table)
    rows = files = 0
    damaged = []
    for day in days:
        for name in folder.names(table, day):
            files += 1
            try:
                rows += folder.rows(table, day, name)
            except PartitionDamaged as error:
                damaged.append(error)
    return TableStatus(rows, files, days[0] if days else None, days[-1] if days else None, tuple(damaged))


def journal_status(journal: Path) -> JournalStatus:
    """Look at a folder of journals, which need not exist."""
    being_written, sealed = open_segments(journal), sealed_segments(journal)
    size = 0
    for path in (*being_written, *sealed):
        try:
            size += path.stat().st_size
        except FileNotFoundError:
            continue  # sealed or compacted just now
    return JournalStatus(len(being_written), len(sealed), size, len(list(journal.glob("*.damaged"))))
