"""Statements that are carried out many times a second.

SQLite takes some microseconds for one of them, and SQLAlchemy several times as long on the way there. So SQLite's
driver is given their text, which SQLAlchemy compiles once. PostgreSQL is a network away: there SQLAlchemy carries them
out as any other, many rows with one exchange.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Insert, Select, Update, bindparam

from ruiji_server.store.dialects import driver_connection

Statement = Select[Any] | Insert | Update
Parameters = Mapping[str, Any]
FoundRow = Sequence[Any]
"""Values in the order of the statement's columns."""


@dataclass(frozen=True, slots=True)
class _Text:
    """A statement as SQLite's driver takes it."""

    sql: str
    constants: Parameters
    """Values that the statement brings along."""
    order: tuple[str, ...]

    def values(self, parameters: Parameters) -> list[Any]:
        given = {**self.constants, **parameters} if self.constants else parameters
        return [given[name] for name in self.order]


class FrequentStatement:
    """A statement with the same parameters each time, text and numbers; none of its columns has a default in Python.

    Args:
        statement: for both databases.
        postgresql: for PostgreSQL, where that is another one.
    """

    def __init__(self, statement: Statement, *, postgresql: Statement | None = None) -> None:
        self._statement = statement
        self._postgresql = statement if postgresql is None else postgresql
        self._text: _Text | None = None

    def rows(self, connection: Connection, parameters: Parameters) -> list[FoundRow]:
        """Carry it out and return the rows that it returns, if any."""
        return self.each(connection, (parameters,))

    def each(self, connection: Connection, parameters: Sequence[Parameters]) -> list[FoundRow]:
        """Carry it out with each of some parameters and return all rows that it returns, if any."""
        if not parameters:
            return []
        if connection.dialect.name != "sqlite":
            found = connection.execute(self._postgresql, list(parameters))
            return list(found) if found.returns_rows else []
        text = self._text
        if text is None:
            text = self._text = _compiled(self._statement, connection, parameters[0])
        with driver_connection(connection, text.sql) as driver:
            return [row for each in parameters for row in driver.execute(text.sql, text.values(each))]


class Lookup:
    """The rows that have some keys: one after the other at SQLite, with one exchange at PostgreSQL.

    Args:
        statement: without a condition on the key.
        key: the column.
        lock: whether the rows are locked until the transaction ends, in the order of their keys.
    """

    def __init__(self, statement: Select[Any], key: Column[Any], *, lock: bool = False) -> None:
        among = statement.where(key.in_(bindparam("keys", expanding=True)))
        self._among = among.order_by(key).with_for_update() if lock else among
        self._one = FrequentStatement(statement.where(key == bindparam("key")))

    def rows(self, connection: Connection, keys: Sequence[str], **parameters: object) -> list[FoundRow]:
        """Return the rows of those keys that are there, in any order.

        Args:
            connection: in a transaction.
            keys: each once.
            parameters: others that the statement has.
        """
        if connection.dialect.name == "sqlite":
            return self._one.each(connection, [{"key": key, **parameters} for key in keys])
        return list(connection.execute(self._among, {"keys": keys, **parameters}))


def _compiled(statement: Statement, connection: Connection, parameters: Parameters) -> _Text:
    compiled = statement.compile(dialect=connection.dialect, column_keys=list(parameters))
    order = tuple(compiled.positiontup or ())
    constants = {name: value for name, value in compiled.params.items() if name not in parameters}
    return _Text(str(compiled), constants, order)
