"""Listings from TSV, CSV, JSON lines or Parquet, one at a time, whatever their columns are called."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from string import Formatter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ruiji_encoder.errors import PairsError
from ruiji_encoder.pairs.records import Dropped, DropReason, Pair

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_ROWS_AT_ONCE = 8_192
_DELIMITERS = {".tsv": "\t", ".csv": ","}


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a table keeps what a pair is made of."""

    pair_id: str = "id"
    """Column of the id."""
    titles: tuple[str, ...] = ("title",)
    """Columns of titles; empty ones are skipped, one must be there."""
    picture: str = "{image}"
    """Name of the picture, with columns in braces: `{id}.jpg`, `photos/{image}`."""
    categories: tuple[str, ...] = ()
    """Columns with what is true of many listings, such as a category's name; may be empty."""

    def __post_init__(self) -> None:
        if not self.titles:
            raise PairsError("no title column was given; a pair is a picture and at least one title")
        if not self.in_picture:
            raise PairsError(
                f"picture name {self.picture!r} names no column; write one in braces, such as {{image}} or {{id}}.jpg"
            )

    @property
    def in_picture(self) -> tuple[str, ...]:
        """Columns that the picture's name is made of."""
        try:
            fields = [name for _, name, _, _ in Formatter().parse(self.picture) if name is not None]
        except ValueError as error:
            raise PairsError(f"picture name {self.picture!r} has unmatched braces") from error
        return tuple(fields)

    @property
    def needed(self) -> tuple[str, ...]:
        """Columns that a table must have, each once."""
        return tuple(dict.fromkeys((self.pair_id, *self.titles, *self.categories, *self.in_picture)))


def read_table(path: Path, columns: Columns) -> Iterator[Pair | Dropped]:
    """Read a table's listings in order, in constant memory.

    Args:
        path: ends in .tsv, .csv, .jsonl or .parquet. In TSV, quotes are letters like any other.
        columns: see there.

    Yields:
        A pair for every listing that has an id, a title and a picture's name, else what it lacks.

    Raises:
        PairsError: the file is missing, of another kind, no UTF-8, or lacks a column.
    """
    suffix = path.suffix.lower()
    try:
        if suffix in _DELIMITERS:
            yield from _listings(_delimited(path, columns, _DELIMITERS[suffix]), path, columns)
        elif suffix in (".jsonl", ".ndjson"):
            yield from _listings(_json_lines(path), path, columns)
        elif suffix in (".parquet", ".pq"):
            yield from _listings(_parquet(path, columns), path, columns)
        else:
            raise PairsError(f"{path} is no table of pairs: its name must end in .tsv, .csv, .jsonl or .parquet")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise PairsError(f"{path} is missing or no file") from error
    except UnicodeDecodeError as error:
        raise PairsError(f"{path} is not UTF-8 (at byte {error.start}): save it as UTF-8") from error


def _listings(
    rows: Iterator[tuple[int, Mapping[str, Any] | None]], path: Path, columns: Columns
) -> Iterator[Pair | Dropped]:
    for line, row in rows:
        where = f"{path.name}:{line}"
        yield (
            Dropped(where, DropReason.MALFORMED_LINE, "cannot be parsed")
            if row is None
            else pair_of(row, where, columns)
        )


def pair_of(row: Mapping[str, Any], where: str, columns: Columns) -> Pair | Dropped:
    """Make a pair of one listing, or say what it lacks."""
    pair_id = _text(row.get(columns.pair_id))
    if not pair_id:
        return Dropped(where, DropReason.NO_ID, f"{columns.pair_id} is empty")
    parts = {name: _text(row.get(name)) for name in columns.in_picture}
    absent = [name for name, value in parts.items() if not value]
    if absent:
        return Dropped(where, DropReason.NO_PICTURE_NAMED, f"{absent[0]} is empty")
    titles, categories = (_texts(row, names) for names in (columns.titles, columns.categories))
    return Pair(pair_id, titles, columns.picture.format_map(parts), where, categories)


def _texts(row: Mapping[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(text for text in (_text(row.get(name)) for name in names) if text)


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


def _delimited(path: Path, columns: Columns, delimiter: str) -> Iterator[tuple[int, Mapping[str, Any] | None]]:
    # A byte order mark is what spreadsheets put in front.
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.DictReader(
            file, delimiter=delimiter, quoting=csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
        )
        _require(path, columns, lines.fieldnames or ())
        while True:
            try:
                row = next(lines)
            except StopIteration:
                return
            except csv.Error:
                yield lines.line_num, None
                continue
            # Under None, csv keeps what goes beyond the header: a delimiter inside a title, most likely.
            yield lines.line_num, None if None in row else row


def _json_lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any] | None]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    row = json.loads(line)
                except json.JSONDecodeError:
                    row = None
                yield number, row if isinstance(row, dict) else None


def _parquet(path: Path, columns: Columns) -> Iterator[tuple[int, Mapping[str, Any] | None]]:
    try:
        with pq.ParquetFile(path) as file:
            _require(path, columns, file.schema_arrow.names)
            number = 0
            for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=list(columns.needed)):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except pa.ArrowInvalid as error:
        raise PairsError(f"{path} is no Parquet file or is cut short: {error}") from error


def _require(path: Path, columns: Columns, present: Sequence[str]) -> None:
    absent = [name for name in columns.needed if name not in present]
    if absent:
        raise PairsError(
            f"{path} lacks the columns {', '.join(absent)}; it has {', '.join(present) or 'none'}. "
            "Name the columns of id, title and picture"
        )
