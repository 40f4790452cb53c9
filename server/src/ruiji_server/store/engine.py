"""Opening a store: connection, durability, schema version, and failures as domain errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from ruiji_server.domain.errors import Overloaded, Reason, Unavailable
from ruiji_server.store.schema import SCHEMA_VERSION, metadata, store_properties

_BUSY_TIMEOUT_MS = 10_000
_WRITES = {"ruiji_writes": True}


class StoreError(Exception):
    """A store that this release cannot use; the message says what to do."""


class Database:
    """Connections to one store, for reading and for writing.

    Failures of the database become `Unavailable` or `Overloaded`; anything that is a mistake of ours passes through.
    Safe to use from several threads.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer = engine.execution_options(**_WRITES)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that sees one moment of the store."""
        with _database_failures(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that is durable once this context ends without an exception."""
        with _database_failures(), self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def open_database(url: str, *, create: bool = False) -> Database:
    """Open the store at an SQLAlchemy URL, such as `sqlite:///ruiji-data/store.sqlite`.

    Args:
        url: where the store is. A plain path is read as an SQLite file.
        create: make the store if there is none.

    Raises:
        StoreError: not a usable URL, no store there, or one of another schema version.
        Unavailable: the database cannot be reached.
    """
    parsed = _parse_url(url)
    engine = create_engine(parsed)
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    database = Database(engine)
    try:
        _check_schema(database, engine, create=create)
    except BaseException:
        database.close()
        raise
    return database


def _parse_url(url: str) -> URL:
    try:
        parsed = make_url(url if "://" in url else f"sqlite:///{url}")
    except ArgumentError as error:
        raise StoreError(f"{url!r} is no store URL; an example is sqlite:///ruiji-data/store.sqlite") from error
    if parsed.get_backend_name() != "sqlite":
        raise StoreError(f"this release keeps its store in SQLite; {parsed.get_backend_name()!r} is not supported yet")
    if not parsed.database or parsed.database == ":memory:":
        raise StoreError("the store must be a file: what is kept in memory is lost with the process")
    return parsed


def _check_schema(database: Database, engine: Engine, *, create: bool) -> None:
    version_of = select(store_properties.c.value).where(store_properties.c.name == "schema_version")
    if create:
        with database.write() as connection:
            if not inspect(connection).has_table(store_properties.name):
                metadata.create_all(connection)
                connection.execute(insert(store_properties).values(name="schema_version", value=str(SCHEMA_VERSION)))
    with database.read() as connection:
        if not inspect(connection).has_table(store_properties.name):
            raise StoreError(f"there is no store at {engine.url}; `ruiji catalog import` or `ruiji up` makes one")
        version = int(connection.execute(version_of).scalar_one())
    if version != SCHEMA_VERSION:
        raise StoreError(f"the store at {engine.url} has schema version {version}; this release reads {SCHEMA_VERSION}")


def _configure_sqlite(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    # Transactions are begun by _begin_sqlite; the driver's own rules would begin them too late.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    # FULL: a commit that was acknowledged survives a power cut, not only a crash of the process.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA cache_size = -65536")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes its lock at once: one that reads first and locks later can fail in the middle of its work.
    writes = connection.get_execution_options().get("ruiji_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _database_failures() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if _is_disk_full(error.orig):
            raise Overloaded(Reason.STORE_FULL, "the item store's disk is full; nothing was written") from error
        if isinstance(error, OperationalError):
            raise Unavailable(
                Reason.STORE_UNAVAILABLE, "the item store is busy or cannot be reached; try again"
            ) from error
        raise


def _is_disk_full(error: Any) -> bool:  # noqa: ANN401  (each database driver has its own exceptions)
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
