"""Taps and purchases that came before their impression: moved to their own table once the impression is there.

They are written to their table first and taken out of `unknown` then, so they are never missing; and what an
interrupted run had written already is not written again.
"""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ruiji_events.lookups import known_events, known_requests
from ruiji_events.schema import SCHEMAS
from ruiji_events.storage import EventFolder
from ruiji_events.tables import Table

_TRIED_DAYS: Final = 3
"""Impressions are waited for as long as this; what is older stays unknown."""
_KINDS: Final = (Table.TAPS, Table.PURCHASES)


def join_late(folder: EventFolder) -> int:
    """Move what is known by now out of `unknown`; return how many rows that were. For who holds the lock."""
    days = folder.days(Table.UNKNOWN)
    if not days:
        return 0
    newest = days[-1]
    return sum(
        _join_file(folder, day, name)
        for day in days
        if day > newest - timedelta(days=_TRIED_DAYS)
        for name in folder.names(Table.UNKNOWN, day)
    )


def _join_file(folder: EventFolder, day: date, name: str) -> int:
    rows = folder.read(Table.UNKNOWN, day, name)
    known = known_requests(folder, set(rows["request_id"].to_pylist()), {day})
    if not known:
        return 0
    is_known = pc.is_in(rows["request_id"], value_set=pa.array(sorted(known), pa.string()))
    leaving = rows.filter(is_known)
    there = known_events(folder, set(leaving["event_id"].to_pylist()), {day}, tables=_KINDS)
    moved = leaving.filter(pc.invert(pc.is_in(leaving["event_id"], value_set=pa.array(sorted(there), pa.string()))))
    for table in _KINDS:
        part = moved.filter(pc.equal(moved["kind"], str(table)))
        if part.num_rows:
            schema = SCHEMAS[table]
            columns = [part[column.name].cast(column.type) for column in schema]
            folder.write(table, day, f"{name}-late-{_digest(part)}", pa.Table.from_arrays(columns, schema=schema))
    staying = rows.filter(pc.invert(is_known))
    if staying.num_rows:
        folder.write(Table.UNKNOWN, day, name, staying)
    else:
        folder.remove(Table.UNKNOWN, day, name)
    return int(leaving.num_rows)


def _digest(rows: pa.Table) -> str:
    return hashlib.blake2b("\n".join(rows["event_id"].to_pylist()).encode(), digest_size=4).hexdigest()
