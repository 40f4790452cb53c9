"""What differs between SQLite and PostgreSQL in connecting, beginning transactions and failing.

`rows` and `locks` hold the few statements that differ; everything else in the store is written once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from ruiji_server.domain.errors import Overloaded, Reason, Unavailable

LOCK_TIMEOUT_MS = 10_000
"""A writer that waits longer for another gives up with `Unavailable`."""
_WRITES = {"ruiji_writes": True}
_SQLITE_CACHE_KIB: Final = 8_192
"""What each connection keeps of the pages it read. At 200,000 items nothing is quicker with more; with 2 MiB embeddings
and batches take longer to write."""
_SQLITE_CHECKPOINT_PAGES: Final = 4_000
"""16 MB of changes lie in the write-ahead log before a commit has to carry them over. At the default of 1,000 one did
each second at 100 single upserts a second, which dirty some ten pages each, many of them the same."""

_POSTGRESQL_CONNECTION: Final[Mapping[str, str]] = {
    "connect_timeout": "10",
    "fallback_application_name": "ruiji",
    # A server whose machine vanished is noticed in half a minute, not after hours.
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
_POSTGRESQL_SESSION: Final[Mapping[str, str]] = {
    "lock_timeout": f"{LOCK_TIMEOUT_MS}ms",
    # A process that was stopped in the middle of its work loses its locks in the end.
    "idle_in_transaction_session_timeout": "5min",
}
_DISK_FULL = "53100"
# A session that idled too long in a transaction; a server that became a standby.
_PASSING = frozenset({"25P03", "25006"})


@dataclass(frozen=True, slots=True)
class Engines:
    """One pool of connections, and how its transactions begin."""

    pool: Engine
    reader: Engine
    """Transactions see one moment of the store and write nothing."""
    writer: Engine
    """Each statement of a transaction sees what was committed before it."""


def sqlite_engines(url: URL) -> Engines:
    """Return engines for a file that writers lock as a whole."""
    pool = create_engine(url)
    event.listen(pool, "connect", _configure_sqlite)
    event.listen(pool, "begin", _begin_sqlite)
    return Engines(pool=pool, reader=pool, writer=pool.execution_options(**_WRITES))


def postgresql_engines(url: URL) -> Engines:
    """Return engines for a server; what the URL says about the connection wins over our own settings.

    Raises:
        ModuleNotFoundError: psycopg is not installed.
    """
    defaults = {name: value for name, value in _POSTGRESQL_CONNECTION.items() if name not in url.query}
    # Pinging costs one exchange and spares callers the failures after every restart of the server.
    pool = create_engine(url, connect_args=defaults, pool_pre_ping=True, use_native_hstore=False)
    event.listen(pool, "connect", _configure_postgresql)
    return Engines(
        pool=pool,
        reader=pool.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True),
        writer=pool.execution_options(isolation_level="READ COMMITTED"),
    )


@contextmanager
def domain_failures() -> Iterator[None]:
    """Turn failures of the database into `Overloaded` and `Unavailable`; our own mistakes pass through."""
    try:
        yield
    except PoolTimeout as error:
        raise _unavailable() from error
    except DBAPIError as error:
        code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorcode", None)
        if code in {_DISK_FULL, sqlite3.SQLITE_FULL}:
            raise Overloaded(Reason.STORE_FULL, "the item store's disk is full; nothing was written") from error
        if isinstance(error, OperationalError) or error.connection_invalidated or code in _PASSING:
            raise _unavailable() from error
        raise


@contextmanager
def driver_connection(connection: Connection, statement: str) -> Iterator[Any]:
    """Yield the driver's own connection for what SQLAlchemy has no word for; its exceptions become SQLAlchemy's.

    Args:
        connection: whose driver to use.
        statement: what is done there, for the message of an exception.
    """
    failure = connection.dialect.loaded_dbapi.Error
    try:
        yield connection.connection.dbapi_connection
    except failure as error:
        raise DBAPIError.instance(statement, None, error, failure, dialect=connection.dialect) from error


def _unavailable() -> Unavailable:
    return Unavailable(Reason.STORE_UNAVAILABLE, "the item store is busy or cannot be reached; try again")


def _configure_sqlite(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    # Transactions are begun by _begin_sqlite; the driver's own rules would begin them too late.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {LOCK_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    # FULL: a commit that was acknowledged survives a power cut, not only a crash of the process.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute(f"PRAGMA wal_autocheckpoint = {_SQLITE_CHECKPOINT_PAGES}")
    cursor.execute(f"PRAGMA cache_size = -{_SQLITE_CACHE_KIB}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes its lock at once: one that reads first and locks later can fail in the middle of its work.
    writes = connection.get_execution_options().get("ruiji_writes", False)
    statement = "BEGIN IMMEDIATE" if writes else "BEGIN"
    with driver_connection(connection, statement) as driver:
        driver.execute(statement)


def _configure_postgresql(connection: Any, _entry: ConnectionPoolEntry) -> None:  # noqa: ANN401  (psycopg is optional)
    for name, value in _POSTGRESQL_SESSION.items():
        connection.execute("SELECT set_config(%s, %s, false)", (name, value))
    connection.commit()
