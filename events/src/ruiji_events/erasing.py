"""Erasing one unit: every row of it leaves the partitions, and the journal before them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc

from ruiji_events.compaction import ROTATION_TIMEOUT_S, compact_locked
from ruiji_events.errors import CompactionBusy
from ruiji_events.journal_folder import compaction_lock
from ruiji_events.storage import EventFolder
from ruiji_events.tables import Table


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased."""

    rows: Counter[Table]
    """Rows that are gone, by table."""
    files: int
    """Files that were written anew without them, or removed."""


def erase_unit(
    folder: EventFolder,
    journal: Path,
    unit: str,
    *,
    rotation_timeout_s: float = ROTATION_TIMEOUT_S,
    progress: Callable[[int], None] = lambda _files: None,
) -> Erased:
    """Remove every row of a unit, wherever it is. Interrupted, it can be run again.

    The journal is compacted first, so that nothing of the unit is left there. Events that arrive while this runs are
    new ones: see that nobody sends any. The rows' ids are forgotten with them, so an event that is sent again
    afterwards is taken again.

    Args:
        folder: the partitions.
        journal: the folder of the machine's journals.
        unit: the keyed hash, see `units.UnitHasher`.
        rotation_timeout_s: how long running servers are waited for to seal what they have.
        progress: told of each file that was looked into.

    Raises:
        CompactionBusy: another process compacts, trims or erases, or a server does not hand over its events.
        JournalError: a segment is damaged, so that nobody knows what it holds.
        PartitionError: a file cannot be read or written.
    """
    rows: Counter[Table] = Counter()
    files = 0
    with compaction_lock(journal):
        compacted = compact_locked(folder, journal, rotation_timeout_s=rotation_timeout_s)
        for refused in compacted.refused.values():
            raise refused
        if compacted.open_segments:
            raise CompactionBusy(
                f"a server does not hand over its events in {journal}, and some may be of this unit; nothing was "
                "erased. Try again, or restart that server"
            )
        for table in Table:
            for day in folder.days(table):
                for name in folder.names(table, day):
                    units = folder.read(table, day, name, ["unit"])["unit"]
                    gone = pc.sum(pc.equal(units, unit)).as_py() or 0
                    if gone:
                        whole = folder.read(table, day, name)
                        staying = whole.filter(pc.fill_null(pc.not_equal(whole["unit"], unit), fill_value=True))
                        if staying.num_rows:
                            folder.write(table, day, name, staying)
                        else:
                            folder.remove(table, day, name)
                        rows[table] += gone
                        files += 1
                    progress(1)
    return Erased(rows, files)
