"""Parquet, read a few hundred rows at a time and only the columns that are needed."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from ruiji_server.importing.errors import RowError, RowReason, TableError
from ruiji_server.importing.tables.table import Row

_BATCH_ROWS: Final = 512
_BUFFER_BYTES: Final = 1024 * 1024


class ParquetTable:
    """A Parquet file; a `ruiji_server.importing.tables.table.Table`."""

    def __init__(self, path: Path) -> None:
        """Read the file's footer.

        Raises:
            TableError: the file cannot be read, or is not Parquet.
        """
        self._path = path
        with self._open() as file:
            self._columns = tuple(file.schema_arrow.names)
            self._rows = int(file.metadata.num_rows)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names in the file's order."""
        return self._columns

    def count_rows(self) -> int:
        """Return the number of rows, which the file knows."""
        return self._rows

    def rows(self, wanted: Collection[str]) -> Iterator[Row | RowError]:
        """Yield the rows, counted from 1; see `ruiji_server.importing.tables.table.Table.rows`."""
        number = 0
        with self._open() as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=list(wanted), use_threads=False):
                columns = {name: _values(batch.column(name)) for name in wanted}
                for place in range(batch.num_rows):
                    number += 1
                    cells = {name: values[place] for name, values in columns.items()}
                    yield _undecodable(number, cells) or Row(number, cells)

    @contextmanager
    def _open(self) -> Iterator[pq.ParquetFile]:
        try:
            # Read as it goes: by default pyarrow fetches whole row groups ahead.
            with pq.ParquetFile(self._path, pre_buffer=False, buffer_size=_BUFFER_BYTES) as file:
                yield file
        except (pa.ArrowException, OSError) as error:
            raise TableError(f"{self._path} cannot be read as Parquet: {error}") from error


def _values(column: pa.Array) -> list[object]:
    if pa.types.is_floating(column.type):
        # The shortest decimal that names the float: what was written before someone made it a float.
        # Nulls come as NaN; neither is a value.
        numbers = column.to_numpy(zero_copy_only=False)
        return [None if math.isnan(number) else Decimal(str(number)) for number in numbers]
    try:
        values: list[object] = column.to_pylist()
    except UnicodeDecodeError:
        values = [_value(cell) for cell in column]
    return values


def _value(cell: pa.Scalar) -> object:
    try:
        value: object = cell.as_py()
    except UnicodeDecodeError as error:
        return error
    return value


def _undecodable(number: int, cells: dict[str, object]) -> RowError | None:
    for name, value in cells.items():
        if isinstance(value, UnicodeDecodeError):
            return RowError(number, "", RowReason.NOT_UTF8, name, "text is not UTF-8")
    return None
