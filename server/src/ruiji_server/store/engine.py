"""Opening a store: its URL, its connections, and the check that this release can use it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError

from ruiji_server.domain.errors import Reason, Unavailable
from ruiji_server.store.dialects import Engines, domain_failures, postgresql_engines, sqlite_engines
from ruiji_server.store.revisions import StoreError, check_revision, check_server, create_tables, upgrade_tables

__all__ = ["Database", "StoreError", "open_database", "upgrade_store"]

_POSTGRESQL_DRIVERS: Final = frozenset({"postgres", "postgresql", "postgresql+psycopg"})


class Database:
    """Connections to one store, for reading and for writing.

    Failures of the database become `Unavailable` or `Overloaded`; anything that is a mistake of ours passes through.
    Safe to use from several threads.
    """

    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    @property
    def engine(self) -> Engine:
        """The connections, for what needs one of its own."""
        return self._engines.pool

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that sees one moment of the store."""
        with domain_failures(), self._engines.reader.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that is durable once this context ends without an exception.

        On PostgreSQL others write at the same time: lock what is read before it is written back (see `locks`).
        """
        with domain_failures(), self._engines.writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self._engines.pool.dispose()


def open_database(url: str, *, create: bool = False) -> Database:
    """Open the store at an SQLAlchemy URL: `sqlite:///ruiji-data/store.sqlite`, `postgresql://user@host/database`.

    Args:
        url: where the store is. A plain path is read as an SQLite file. A PostgreSQL database must exist.
        create: make the store if there is none.

    Raises:
        StoreError: not a usable URL, no store there, or one of an older or newer release.
        Unavailable: the database cannot be reached.
    """
    database = _connect(url)
    try:
        if create:
            with database.write() as connection:
                create_tables(connection)
        with database.read() as connection:
            check_revision(connection)
    except BaseException:
        database.close()
        raise
    return database


def upgrade_store(url: str) -> tuple[str, str]:
    """Bring the tables of a store up to date, in one transaction: all of it happens or nothing.

    Nothing else may use the store meanwhile. There is no way back but a backup.

    Args:
        url: as for `open_database`.

    Returns:
        The schema revision before and the one now.

    Raises:
        StoreError: not a usable URL, no store there, or one of a newer release.
        Unavailable: the database cannot be reached, or is in use.
    """
    database = _connect(url)
    try:
        with database.write() as connection:
            return upgrade_tables(connection)
    finally:
        database.close()


def _connect(url: str) -> Database:
    parsed = _parse_url(url)
    database = Database(_engines(parsed))
    try:
        _reach(database, parsed)
    except BaseException:
        database.close()
        raise
    return database


def _parse_url(url: str) -> URL:
    try:
        parsed = make_url(url if "://" in url else f"sqlite:///{url}")
    except ArgumentError as error:
        raise StoreError(
            f"{url!r} is no store URL; examples are sqlite:///ruiji-data/store.sqlite and postgresql://user@host/ruiji"
        ) from error
    if parsed.drivername in _POSTGRESQL_DRIVERS:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite":
        raise StoreError(f"the store is kept in SQLite or PostgreSQL; {parsed.drivername!r} is neither")
    if not parsed.database or parsed.database == ":memory:":
        raise StoreError("the store must be a file: what is kept in memory is lost with the process")
    return parsed


def _engines(url: URL) -> Engines:
    if url.get_backend_name() == "sqlite":
        return sqlite_engines(url)
    try:
        return postgresql_engines(url)
    except ModuleNotFoundError as error:
        raise StoreError("a store in PostgreSQL needs its driver: pip install 'ruiji[postgresql]'") from error


def _reach(database: Database, url: URL) -> None:
    try:
        with database.engine.connect() as connection:
            check_server(connection)
    except OperationalError as error:
        raise Unavailable(
            Reason.STORE_UNAVAILABLE, f"the item store at {url.render_as_string()} cannot be reached: {error.orig}"
        ) from error
    except DatabaseError as error:
        raise StoreError(f"there is something else than a store at {url.render_as_string()}: {error.orig}") from error
