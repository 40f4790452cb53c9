"""From the journal's segments to partitions, each event exactly once, whatever is interrupted.

A segment becomes one file for each table and day that it has events of, all of them named after it. It is removed when
they are durable; if that is not reached, the next run writes the same files again, in place of the first. An event
whose id is in another file already, or a second time in the segment, is left out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

from ruiji_events.errors import JournalError
from ruiji_events.events import decode_events
from ruiji_events.journal_folder import ask_for_rotation, compaction_lock, sealed_segments, sync_folder
from ruiji_events.late import join_late
from ruiji_events.lookups import known_events, known_requests
from ruiji_events.rows import to_table
from ruiji_events.segments import read_segment
from ruiji_events.storage import EventFolder
from ruiji_events.tables import Table, day_of

ROTATION_TIMEOUT_S: Final = 5.0
"""How long running servers are waited for to seal what they have."""


@dataclass(slots=True)
class Compacted:
    """What a run did."""

    segments: int = 0
    """Segments that became partitions."""
    rows: Counter[Table] = field(default_factory=Counter)
    """Rows written, by table."""
    duplicates: int = 0
    """Events that were there before, and were left out."""
    joined: int = 0
    """Taps and purchases whose impression came later than they did, and is there now."""
    torn_bytes: int = 0
    """What writers that died had not written to its end; never acknowledged."""
    lost_bytes: int = 0
    """What was passed over as damaged."""
    refused: dict[Path, JournalError] = field(default_factory=dict)
    """Segments that are damaged, and stay where they are."""
    open_segments: bool = False
    """Whether a running server did not seal its segment in time; its events come with the next run."""


def compact(
    folder: EventFolder,
    journal: Path,
    *,
    salvage: bool = False,
    rotation_timeout_s: float = ROTATION_TIMEOUT_S,
    progress: Callable[[int], None] = lambda _bytes: None,
) -> Compacted:
    """Turn everything that the journal has by now into partitions.

    Args:
        folder: the partitions.
        journal: the folder of the machine's journals.
        salvage: take what is left of damaged segments, and keep them under another name.
        rotation_timeout_s: how long running servers are waited for to seal what they have.
        progress: told the size of each segment that is done.

    Raises:
        CompactionBusy: another process compacts, trims or erases.
        PartitionError: partitions cannot be read or written; what is done stays done, what is not is still there.
    """
    with compaction_lock(journal):
        return compact_locked(
            folder, journal, salvage=salvage, rotation_timeout_s=rotation_timeout_s, progress=progress
        )


def compact_locked(
    folder: EventFolder,
    journal: Path,
    *,
    salvage: bool = False,
    rotation_timeout_s: float = ROTATION_TIMEOUT_S,
    progress: Callable[[int], None] = lambda _bytes: None,
) -> Compacted:
    """Do what `compact` does, for who holds the lock."""
    done = Compacted(open_segments=not ask_for_rotation(journal, rotation_timeout_s))
    for segment in sealed_segments(journal):
        size = segment.stat().st_size
        try:
            contents = read_segment(segment, salvage=salvage)
        except JournalError as error:
            done.refused[segment] = error
            continue
        _write_partitions(folder, segment.stem, decode_events(contents.lines), done)
        done.segments += 1
        done.torn_bytes += contents.torn_bytes
        done.lost_bytes += contents.lost_bytes
        if contents.lost_bytes:
            segment.rename(segment.with_suffix(".damaged"))
        else:
            segment.unlink()
        # Should it come back with the power, after its rows were joined or erased, they would come back too.
        sync_folder(journal)
        progress(size)
    done.joined = join_late(folder)
    return done


def _write_partitions(folder: EventFolder, name: str, events: list[dict[str, Any]], done: Compacted) -> None:
    days = {day_of(event["time"]) for event in events}
    known = known_events(folder, {event["event_id"] for event in events}, days, but_not=name)
    fresh = []
    for event in events:
        if event["event_id"] in known:
            done.duplicates += 1
        else:
            known.add(event["event_id"])
            fresh.append(event)
    parts: Mapping[tuple[Table, date], list[dict[str, Any]]] = defaultdict(list)
    requests = _known_requests(folder, name, fresh)
    for event in fresh:
        table = Table(event["table"])
        if table != Table.IMPRESSIONS and event.get("request_id") is not None and event["request_id"] not in requests:
            event["kind"], table = str(table), Table.UNKNOWN
        parts[table, day_of(event["time"])].append(event)
    for (table, day), rows in parts.items():
        folder.write(table, day, name, to_table(table, rows))
        done.rows[table] += len(rows)
    # An interrupted run may have put an event into another table than this one does.
    for table, day in {(table, day) for table in Table for day in days} - parts.keys():
        folder.remove(table, day, name)


def _known_requests(folder: EventFolder, name: str, events: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return of which requests that taps and purchases name there is an impression, here or in the partitions."""
    here: set[str] = set()
    named: dict[str, date] = {}
    for event in events:
        request_id = event.get("request_id")
        if request_id is None:
            continue
        if event["table"] == Table.IMPRESSIONS:
            here.add(request_id)
        else:
            named[request_id] = day_of(event["time"])
    asked = named.keys() - here
    return here | known_requests(folder, asked, {named[request_id] for request_id in asked}, but_not=name)
