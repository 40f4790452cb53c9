"""TSV and CSV with a header line.

Quotes follow RFC 4180, so a quoted cell may span lines. Each record is parsed for itself: one whose quotes do not match
costs its own line and no other, where a parser of the whole file would swallow rows up to the next quote.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from ruiji_server.importing.errors import RowError, RowReason, TableError
from ruiji_server.importing.tables.lines import Line, count_lines, read_lines
from ruiji_server.importing.tables.table import Row

_MAX_RECORD_LINES: Final = 1_000
"""A quoted cell of more lines is taken for a quote that was never closed."""


class DelimitedTable:
    """A table of cells between delimiters; a `ruiji_server.importing.tables.table.Table`."""

    def __init__(self, path: Path, *, delimiter: str, quoted: bool) -> None:
        """Read the header.

        Raises:
            TableError: the file cannot be read, is empty, or starts with no header line.
        """
        self._path = path
        self._delimiter = delimiter
        self._quoted = quoted
        header = next(self._records(), None)
        if header is None:
            raise TableError(f"{path} is empty: a header line with the names of the columns is needed")
        if isinstance(header, RowError):
            raise TableError(f"{path}, line {header.line}: {header.message}")
        self._header_lines = header.line
        self._columns = tuple(name.strip() for name in header.cells)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names in the header's order."""
        return self._columns

    def count_rows(self) -> int:
        """Return the number of lines after the header; quoted line breaks and blank lines count as rows here."""
        return count_lines(self._path) - self._header_lines

    def rows(self, wanted: Collection[str]) -> Iterator[Row | RowError]:
        """Yield the rows; see `ruiji_server.importing.tables.table.Table.rows`."""
        places = [(name, self._columns.index(name)) for name in wanted]
        for record in islice(self._records(len(self._columns)), 1, None):
            if isinstance(record, RowError):
                yield record
            else:
                yield Row(record.line, {name: record.cells[place] for name, place in places})

    def _records(self, width: int | None = None) -> _Records:
        return _Records(read_lines(self._path), delimiter=self._delimiter, quoted=self._quoted, width=width)


class _Record:
    """Cells in the order of the line."""

    __slots__ = ("cells", "line")

    def __init__(self, line: int, cells: list[str]) -> None:
        self.line = line
        self.cells = cells


class _Records(Iterator[_Record | RowError]):
    """Joins lines into records, and goes back to the second line of a record that turns out to be none."""

    def __init__(self, lines: Iterator[Line], *, delimiter: str, quoted: bool, width: int | None) -> None:
        self._lines = lines
        self._delimiter = delimiter
        self._quoted = quoted
        self._width = width
        self._given_back: deque[Line] = deque()

    def __next__(self) -> _Record | RowError:
        while True:
            line = self._next_line()
            if line is None:
                raise StopIteration
            if line.error is not None:
                return line.error
            text = line.text.rstrip("\r\n")
            if not text:
                continue
            if self._quoted and '"' in text:
                return self._quoted_record(line)
            if "\r" in text:
                return _malformed(line, "a carriage return stands inside the line: save the file with LF or CR LF")
            return self._checked([line], text.split(self._delimiter))

    def _next_line(self) -> Line | None:
        return self._given_back.popleft() if self._given_back else next(self._lines, None)

    def _quoted_record(self, first: Line) -> _Record | RowError:
        taken: list[Line] = []

        def lines() -> Iterator[str]:
            # The parser asks for another line exactly while a quote is open.
            line: Line | None = first
            while line is not None and line.error is None:
                taken.append(line)
                yield line.text
                if len(taken) == _MAX_RECORD_LINES:
                    return
                line = self._next_line()
            if line is not None:
                self._given_back.appendleft(line)

        try:
            cells = next(csv.reader(lines(), delimiter=self._delimiter, strict=True))
        except csv.Error as error:
            self._give_back(taken)
            return _malformed(first, f"quotes do not match ({error}); if this file does not quote its cells, say so")
        return self._checked(taken, cells)

    def _checked(self, taken: list[Line], cells: list[str]) -> _Record | RowError:
        if self._width is not None and len(cells) != self._width:
            self._give_back(taken)
            return _malformed(taken[0], f"row has {len(cells)} cells; the header has {self._width}")
        return _Record(taken[0].number, cells)

    def _give_back(self, taken: list[Line]) -> None:
        self._given_back.extendleft(reversed(taken[1:]))


def _malformed(line: Line, message: str) -> RowError:
    return RowError(line.number, "", RowReason.ROW_MALFORMED, "", message)
