"""The items of an evaluation: who they are, what they cost, where their picture is."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from ruiji_evaluation.errors import ItemTableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PATH_SEPARATOR = " > "
"""Between the names of a category path that is written in one column."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column of the item table says what."""

    item_id: str = "id"
    """Unique; required in every row."""
    title: str = "title"
    """Splits keep equal titles together."""
    category: tuple[str, ...] = ("category_path",)
    """One column with a path `A > B > C`, or several columns from root to leaf."""
    price: str | None = "price"
    """A number; None where the table has no prices."""
    listed: str | None = None
    """When the item was listed, as an ISO date, time or year."""
    picture: str = "{image}"
    """Name of the picture file; `{column}` stands for a value."""
    min_price: float = 0.0
    """Rows that cost less are left out: they are tests or mistakes."""


@dataclass(frozen=True, slots=True)
class Item:
    """One row of the item table."""

    item_id: str
    """The catalogue's own id."""
    title: str
    """As listed."""
    category: tuple[str, ...]
    """Path from root to leaf; may be empty."""
    price: float | None
    """In the table's own unit."""
    listed: datetime | None
    """With a time zone; UTC where the table names none."""
    picture: str
    """Name of the picture file."""
    attributes: Mapping[str, str]
    """All columns as text."""


@dataclass(frozen=True, slots=True)
class ItemTable:
    """The items that can be used, in the order of the table, and how many cannot, by reason."""

    items: tuple[Item, ...]
    """No id twice."""
    left_out: Mapping[str, int]
    """Reason to number of rows."""


def read_items(path: Path, columns: Columns) -> ItemTable:
    """Read an item table.

    Args:
        path: `.tsv` (no quoting), `.csv`, `.jsonl` or `.parquet`.
        columns: which column says what.

    Raises:
        ItemTableError: it is missing, of another form, or lacks a column, or no row of it can be used.
    """
    items: dict[str, Item] = {}
    left_out: Counter[str] = Counter()
    try:
        for line, record in enumerate(_records(path), start=1):
            if line == 1:
                _require_columns(path, record, columns)
            item = _item(record, columns)
            if isinstance(item, str):
                left_out[item] += 1
            elif item.item_id in items:
                left_out["the id was there before"] += 1
            else:
                items[item.item_id] = item
    except FileNotFoundError as error:
        raise ItemTableError(f"item table {path} does not exist") from error
    except (csv.Error, json.JSONDecodeError, UnicodeDecodeError, pa.ArrowException) as error:
        raise ItemTableError(f"item table {path} cannot be read as {path.suffix[1:]}: {error}") from error
    if not items:
        raise ItemTableError(f"item table {path} has no row that can be used: {dict(left_out) or 'it is empty'}")
    return ItemTable(tuple(items.values()), dict(left_out))


def _records(path: Path) -> Iterator[Mapping[str, str]]:
    if path.suffix == ".parquet":
        for batch in pq.ParquetFile(path).iter_batches():
            yield from (_as_text(row) for row in batch.to_pylist())
    elif path.suffix == ".jsonl":
        with path.open(encoding="utf-8") as file:
            yield from (_as_text(json.loads(line)) for line in file if line.strip())
    elif path.suffix in {".tsv", ".csv"}:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = (
                csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
                if path.suffix == ".tsv"
                else csv.DictReader(file)
            )
            yield from (_as_text(row) for row in lines)
    else:
        raise ItemTableError(f"item table {path} has an unknown form: .tsv, .csv, .jsonl and .parquet are read")


def _as_text(record: Mapping[str | None, object]) -> dict[str, str]:
    # The csv module puts cells beyond the header under None.
    return {
        name: PATH_SEPARATOR.join(str(part) for part in value) if isinstance(value, list) else str(value).strip()
        for name, value in record.items()
        if name is not None and value is not None
    }


def _require_columns(path: Path, record: Mapping[str, str], columns: Columns) -> None:
    named = [columns.item_id, columns.title, *columns.category]
    named += [name for name in (columns.price, columns.listed) if name is not None]
    missing = [name for name in named if name not in record]
    try:
        columns.picture.format_map(record)
    except KeyError as error:
        missing.append(str(error.args[0]))
    except ValueError as error:
        raise ItemTableError(f"the picture's name {columns.picture!r} cannot be filled in: {error}") from error
    if missing:
        raise ItemTableError(
            f"item table {path} lacks the columns {', '.join(missing)}; it has {', '.join(record)}. Name the right "
            "ones under [catalogue]"
        )


def _item(record: Mapping[str, str], columns: Columns) -> Item | str:
    item_id = record.get(columns.item_id, "")
    if not item_id:
        return "the id is empty"
    price = _price(record.get(columns.price, "")) if columns.price is not None else None
    if price is not None and price < columns.min_price:
        return f"the price is below {columns.min_price:g}"
    names = [record.get(column, "") for column in columns.category]
    path = names[0].split(PATH_SEPARATOR) if len(names) == 1 else names
    return Item(
        item_id=item_id,
        title=record.get(columns.title, ""),
        category=tuple(name.strip() for name in path if name.strip()),
        price=price,
        listed=_time(record.get(columns.listed, "")) if columns.listed is not None else None,
        picture=columns.picture.format_map(record),
        attributes=record,
    )


def _price(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _time(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(f"{text}-01-01" if len(text) == len("2012") else text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
