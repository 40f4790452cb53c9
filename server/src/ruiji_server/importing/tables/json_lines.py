"""JSON lines: one object a line, keys as column names, numbers read as exact decimals."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from decimal import Decimal
from pathlib import Path

from ruiji_server.importing.errors import RowError, RowReason, TableError
from ruiji_server.importing.tables.lines import count_lines, read_lines
from ruiji_server.importing.tables.table import Row


class JsonLinesTable:
    """A file of JSON lines; a `ruiji_server.importing.tables.table.Table`."""

    def __init__(self, path: Path) -> None:
        """Look for a first line.

        Raises:
            TableError: the file cannot be read, or is empty.
        """
        self._path = path
        if all(line.error is None and not line.text.strip() for line in read_lines(path)):
            raise TableError(f"{path} is empty: it should hold one JSON object a line")

    @property
    def columns(self) -> None:
        """None: every line names its own."""
        return

    def count_rows(self) -> int:
        """Return the number of lines, blank ones included."""
        return count_lines(self._path)

    def rows(self, wanted: Collection[str]) -> Iterator[Row | RowError]:
        """Yield the rows; see `ruiji_server.importing.tables.table.Table.rows`. An absent key is None."""
        for line in read_lines(self._path):
            if line.error is not None:
                yield line.error
            elif line.text.strip():
                value, message = _parse(line.text)
                if value is None:
                    yield RowError(line.number, "", RowReason.ROW_MALFORMED, "", message)
                else:
                    yield Row(line.number, {name: value.get(name) for name in wanted})


def _parse(text: str) -> tuple[dict[str, object] | None, str]:
    """Return the object, or why there is none."""
    try:
        value = json.loads(text, parse_float=Decimal, parse_constant=Decimal)
    except json.JSONDecodeError as error:
        return None, f"not JSON: {error.msg} at character {error.pos + 1}"
    except (ValueError, ArithmeticError, RecursionError):
        # Integers of thousands of digits, exponents beyond decimal's, brackets nested by the thousand.
        return None, "JSON holds a number or a nesting beyond all measure"
    if not isinstance(value, dict):
        return None, 'not a JSON object, such as {"id": "..."}'
    return value, ""
