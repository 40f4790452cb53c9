"""Writing many rows: plain inserts (COPY on PostgreSQL), upserts, and inserts that leave what is there alone."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Integer,
    LargeBinary,
    Select,
    SmallInteger,
    String,
    Table,
    Text,
    insert,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.types import TypeEngine

from ruiji_server.store.dialects import driver_connection
from ruiji_server.store.statements import FrequentStatement

Row = Mapping[str, Any]

_DIALECTS: Final = ("sqlite", "postgresql")
_BINARY_TYPES: Final[Mapping[type[TypeEngine[Any]], str]] = {
    String: "text",
    Text: "text",
    LargeBinary: "bytea",
    Boolean: "bool",
    SmallInteger: "int2",
    Integer: "int4",
    BigInteger: "int8",
}
"""Column types to what PostgreSQL's binary COPY expects; it converts nothing itself."""


class WrittenMeanwhile(Exception):  # noqa: N818  (reads as what it says)
    """Another transaction inserted one of the rows first; this one must be begun anew."""


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows that are not there; each names the same columns.

    Raises:
        WrittenMeanwhile: one was there after all.
    """
    if not rows:
        return
    try:
        # Half the exchanges that COPY needs, which counts for one row; for a hundred COPY is several times faster.
        if connection.dialect.name == "postgresql" and len(rows) > 1:
            _copy(connection, table, rows)
        else:
            connection.execute(insert(table), rows)
    except IntegrityError as error:
        if getattr(error.orig, "sqlstate", None) == "23505":
            raise WrittenMeanwhile from error
        raise


def upsert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows, or replace every other column of those whose key is there; each names all columns."""
    if not rows:
        return
    keys = [column.name for column in table.primary_key]
    statement = _insert(connection.dialect.name, table)
    newer = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=newer), rows)


def insert_missing(connection: Connection, table: Table, rows: Sequence[Row]) -> set[Any]:
    """Insert rows whose keys are not there, and return the keys of those that were inserted; the key is one column.

    All rows of a table, of this call and of others, name the same columns, each a text or a number.
    Waits for a transaction that is just inserting one of the keys; writers of several insert them in the same order.
    """
    return {key for (key,) in _missing_keys(table).each(connection, rows)}


def insert_missing_from(connection: Connection, table: Table, rows: Select[Any]) -> None:
    """Insert the rows of a query whose keys are not there; the query's columns are called as the table's."""
    # SQLite would read ON CONFLICT as a join's ON if the query ended without a WHERE.
    statement = _insert(connection.dialect.name, table).from_select(
        [column.name for column in rows.selected_columns], rows.where(true())
    )
    connection.execute(statement.on_conflict_do_nothing())


@functools.cache
def _missing_keys(table: Table) -> FrequentStatement:
    (key,) = table.primary_key
    here, there = (_insert(dialect, table).on_conflict_do_nothing().returning(key) for dialect in _DIALECTS)
    return FrequentStatement(here, postgresql=there)


def _insert(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def _copy(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    names = list(rows[0])
    types = [_BINARY_TYPES[type(table.c[name].type)] for name in names]
    preparer = connection.dialect.identifier_preparer
    columns = ", ".join(preparer.quote(name) for name in names)
    statement = f"COPY {preparer.format_table(table)} ({columns}) FROM STDIN (FORMAT BINARY)"
    with driver_connection(connection, statement) as driver, driver.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row([row[name] for name in names])
