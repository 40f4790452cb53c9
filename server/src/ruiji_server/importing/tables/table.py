"""What every table format gives: rows of cells under column names."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from ruiji_server.importing.errors import RowError


@dataclass(frozen=True, slots=True)
class Row:
    """Cells of one row, as the format holds them: text, or in JSON lines and Parquet numbers and lists as well."""

    line: int
    """See `RowError.line`."""
    cells: Mapping[str, object]
    """By column. Only those that were asked for; in JSON lines and Parquet, None is no value."""


class Table(Protocol):
    """A table in a file. May be read several times; holds no more than a few rows at once."""

    @property
    def columns(self) -> tuple[str, ...] | None:
        """Names in the file's order; None where each row names its own."""

    def count_rows(self) -> int:
        """Return the number of rows, cheaply: exact in Parquet; in text, lines, of which an item may fill several."""

    def rows(self, wanted: Collection[str]) -> Iterator[Row | RowError]:
        """Yield the rows in order, and those that cannot be read as errors.

        Args:
            wanted: columns to read; all of them are among `columns`, where that is known.

        Raises:
            TableError: the file cannot be read any further.
        """
