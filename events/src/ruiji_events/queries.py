"""The partitions as DuckDB relations.

    with EventQueries(EventFolder("events"), first=day, last=day) as events:
        events.sql("SELECT source, count(*) FROM impressions GROUP BY source").show()

Only whole files of this format are opened; columns that older files lack are null. Duplicates need no thought: an
event is in the partitions once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Self

import duckdb
import pyarrow as pa

from ruiji_events.schema import SCHEMAS
from ruiji_events.storage import EventFolder
from ruiji_events.tables import Table


class EventQueries:
    """A DuckDB connection in memory with a view for each table: impressions, taps, purchases, unknown.

    Attributes:
        connection: for whatever DuckDB can do besides.
    """

    def __init__(self, folder: EventFolder, *, first: date | None = None, last: date | None = None) -> None:
        """Make the views.

        Args:
            folder: the partitions, local or not.
            first: the first day to see; None sees all from the beginning.
            last: the last day to see; None sees all to the end.

        Raises:
            PartitionDamaged: a file of these days is half written, or in another format; names it.
        """
        self._folder = folder
        self.connection = duckdb.connect()
        try:
            # Times are UTC for whoever looks, wherever the machine is.
            self.connection.execute("SET TimeZone = 'UTC'")
            if not folder.is_local:
                self.connection.register_filesystem(folder.files)
            for table in Table:
                self._make_view(table, self._paths(table, first, last))
        except BaseException:
            self.connection.close()
            raise

    def sql(self, query: str, parameters: Mapping[str, object] | None = None) -> duckdb.DuckDBPyRelation:
        """Return what a query finds; parameters are written `$name`."""
        return self.connection.sql(query, params=parameters)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _paths(self, table: Table, first: date | None, last: date | None) -> list[str]:
        paths = []
        for day in self._folder.days(table):
            if (first is not None and day < first) or (last is not None and day > last):
                continue
            for name in self._folder.names(table, day):
                # Looked at here, for DuckDB would name a half-written file only in the middle of a query.
                self._folder.rows(table, day, name)
                path = self._folder.path(table, day, name)
                paths.append(path if self._folder.is_local else self._folder.files.unstrip_protocol(path))
        return paths

    def _make_view(self, table: Table, paths: list[str]) -> None:
        nothing = f"nothing_of_{table}"
        empty: pa.Table = SCHEMAS[table].empty_table()
        self.connection.register(nothing, empty)
        columns = f"SELECT * FROM {nothing}"  # noqa: S608  (our own names)
        if paths:
            listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
            # What an older release wrote lacks columns: they come from the empty table, as nulls.
            options = "union_by_name = true, hive_partitioning = false"
            columns += f" UNION ALL BY NAME SELECT * FROM read_parquet([{listed}], {options})"  # noqa: S608
        self.connection.execute(f"CREATE VIEW {table} AS {columns}")
