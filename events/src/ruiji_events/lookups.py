"""What partitions know already: ids of events, and requests of which there is an impression.

Ids are compared as they are, file by file, so that memory holds the ids of one file at a time. A day of ten million
events takes a second or two to go through.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, timedelta
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ruiji_events.storage import EventFolder
from ruiji_events.tables import Table

NEIGHBOUR_DAYS: Final = 1
"""An event's id is looked for on the day of its time and this many days before and after."""

REQUEST_DAYS: Final = 2
"""A request is looked for on the day of a tap or purchase, this many days before, and one after."""


def days_around(days: Iterable[date], before: int, after: int) -> list[date]:
    """Return the days of a set and those beside them, sorted."""
    offsets = range(-before, after + 1)
    return sorted({day + timedelta(days=offset) for day in days for offset in offsets})


def known_events(
    folder: EventFolder,
    event_ids: Collection[str],
    days: Iterable[date],
    *,
    tables: Iterable[Table] = tuple(Table),
    but_not: str | None = None,
) -> set[str]:
    """Return which of some event ids are in the partitions.

    Args:
        folder: the partitions.
        event_ids: those asked for.
        days: where to look, and on the days beside these.
        tables: where to look.
        but_not: name of files that do not count.

    Raises:
        PartitionDamaged: a file that was looked into is half written.
    """
    return _found(folder, "event_id", event_ids, tables, days_around(days, NEIGHBOUR_DAYS, NEIGHBOUR_DAYS), but_not)


def known_requests(
    folder: EventFolder, request_ids: Collection[str], days: Iterable[date], *, but_not: str | None = None
) -> set[str]:
    """Return of which of some requests there is an impression in the partitions; see `known_events`."""
    around = days_around(days, REQUEST_DAYS, 1)
    return _found(folder, "request_id", request_ids, (Table.IMPRESSIONS,), around, but_not)


def _found(
    folder: EventFolder,
    column: str,
    wanted: Collection[str],
    tables: Iterable[Table],
    days: Iterable[date],
    but_not: str | None,
) -> set[str]:
    if not wanted:
        return set()
    values = pa.array(sorted(wanted), pa.string())
    found: set[str] = set()
    for table in tables:
        there = set(folder.days(table))
        for day in (day for day in days if day in there):
            for name in folder.names(table, day):
                if name == but_not:
                    continue
                ids = folder.read(table, day, name, [column])[column]
                found.update(ids.filter(pc.is_in(ids, value_set=values)).to_pylist())
    return found
