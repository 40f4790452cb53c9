"""Events of some days in one file, for tools that want one."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final

from ruiji_events.errors import PartitionError
from ruiji_events.queries import EventQueries
from ruiji_events.storage import EventFolder
from ruiji_events.tables import Table

_FORMATS: Final = {
    ".parquet": "FORMAT parquet, COMPRESSION zstd",
    ".jsonl": "FORMAT json",
    ".csv": "FORMAT csv, HEADER",
}


def export_table(
    folder: EventFolder, table: Table, target: Path, *, first: date | None = None, last: date | None = None
) -> int:
    """Write a table's rows of some days, ordered by time, then event id.

    Args:
        folder: the partitions.
        table: which.
        target: a `.parquet`, `.jsonl` or `.csv` file; its folder must exist.
        first: the first day; None begins with the oldest.
        last: the last day; None ends with the newest.

    Returns:
        How many rows there are.

    Raises:
        PartitionError: the file's suffix is another one, or its folder is missing.
        PartitionDamaged: a file of these days is half written.
    """
    if target.suffix not in _FORMATS:
        raise PartitionError(f"{target} must end in {', '.join(_FORMATS)}")
    if not target.parent.is_dir():
        raise PartitionError(f"the folder {target.parent} does not exist; make it first")
    with EventQueries(folder, first=first, last=last) as queries:
        rows = queries.sql(f"SELECT * FROM {table} ORDER BY time, event_id")  # noqa: S608  (our own names)
        queries.connection.register("exported", rows)
        path = str(target).replace("'", "''")
        counted = queries.connection.execute(f"COPY exported TO '{path}' ({_FORMATS[target.suffix]})").fetchone()
    return int(counted[0]) if counted is not None else 0
