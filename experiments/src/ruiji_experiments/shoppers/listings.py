"""What shoppers see of a catalogue: the attributes that the rendered demo catalogue has for each item."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ruiji_experiments.errors import SettingsError

_SEPARATOR: Final = " > "
_COLUMNS: Final = {"id", "category_path", "price", "currency", "state", "colour", "pattern", "style"}


@dataclass(frozen=True, slots=True)
class Listing:
    """An item as people see it."""

    item_id: str
    category_path: tuple[str, ...]
    """Root to leaf."""
    price_minor: int
    currency: str
    on_sale: bool
    colour: str
    pattern: str
    style: str


def read_listings(table: Path) -> Mapping[str, Listing]:
    """Return the items of a demo catalogue's `items.tsv` by id.

    Raises:
        SettingsError: it has not the columns of a demo catalogue.
    """
    with table.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None)
        missing = _COLUMNS - set(rows.fieldnames or ())
        if missing:
            raise SettingsError(
                f"{table} has no column {', '.join(sorted(missing))}: shoppers know the demo's catalogue only, which "
                "`ruiji demo` renders"
            )
        return {row["id"]: _listing(row) for row in rows}


def _listing(row: Mapping[str, str]) -> Listing:
    return Listing(
        item_id=row["id"],
        category_path=tuple(row["category_path"].split(_SEPARATOR)),
        price_minor=int(row["price"]),
        currency=row["currency"],
        on_sale=row["state"] == "on_sale",
        colour=row["colour"],
        pattern=row["pattern"],
        style=row["style"],
    )
