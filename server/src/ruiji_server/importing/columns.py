"""Which columns of a table are read, and which one an error is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ruiji_server.importing.errors import TableError
from ruiji_server.importing.settings import ColumnMapping, ImportSettings

_DEFAULT_STATE: Final = ColumnMapping().state


def wanted_columns(
    present: Sequence[str] | None, settings: ImportSettings, image_columns: Sequence[str]
) -> frozenset[str]:
    """Return the columns to read.

    Args:
        present: what the table has; None if each row names its own.
        settings: what the columns are called.
        image_columns: those that name the picture.

    Raises:
        TableError: a column is missing, or stands in the header twice.
    """
    columns = settings.columns
    required = {columns.item_id, columns.price, *columns.category_path, *image_columns}
    if columns.title is not None:
        required.add(columns.title)
    if settings.default_currency is None:
        required.add(columns.currency)
    if columns.state != _DEFAULT_STATE:
        required.add(columns.state)
    wanted = required | {columns.currency, columns.state}
    if present is None:
        return frozenset(wanted)
    if missing := sorted(required.difference(present)):
        raise TableError(f"there is no column {_listed(missing)}; map it to one of those there are: {_listed(present)}")
    if twice := sorted(name for name in wanted if present.count(name) > 1):
        raise TableError(f"column {_listed(twice)} stands in the header twice; rename one")
    return frozenset(wanted.intersection(present))


def category_column(columns: ColumnMapping) -> str:
    """Return how errors name the column or columns of the category path."""
    return ",".join(columns.category_path)


def column_of(field: str, columns: ColumnMapping) -> str:
    """Return the column behind a field of the domain's item, such as `price.amount_minor`."""
    names = {
        "item_id": columns.item_id,
        "title": columns.title or "",
        "price.amount_minor": columns.price,
        "price.currency_code": columns.currency,
        "category_path": category_column(columns),
    }
    return names[field.split("[")[0]]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)
