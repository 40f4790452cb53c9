"""Waiting for the feed to grow: PostgreSQL tells, SQLite is asked often."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ruiji_server.domain.errors import Unavailable
from ruiji_server.store.dialects import domain_failures, driver_connection
from ruiji_server.store.engine import Database
from ruiji_server.store.feed import FeedReader
from ruiji_server.store.locks import FEED_CHANNEL

_POLL_S: Final = 0.01
_DATA_VERSION: Final = "PRAGMA data_version"
"""SQLite changes this number when another connection has committed; reading it touches no table."""


def watch_feed(database: Database) -> FeedWatch:
    """Return what waits for changes of a store."""
    return _ListeningWatch(database) if database.engine.dialect.name == "postgresql" else _PollingWatch(database)


class FeedWatch(ABC):
    """Waits on a connection of its own, in one thread at a time. Close it, or use it as a context."""

    def __init__(self, database: Database) -> None:
        self._engine = database.engine
        self._reader = FeedReader(database)
        self._connection: Connection | None = None

    def wait(self, position: int, timeout_s: float) -> bool:
        """Wait until the feed goes beyond a position.

        Nothing is missed between two calls: what has come meanwhile is seen at once.

        Args:
            position: where the reader stands.
            timeout_s: longest wait.

        Returns:
            Whether it is worth reading: there is more, or the feed has not come to the position, which the reader is
            told then. False once the time is up.

        Raises:
            Unavailable: the database cannot be reached. Another call connects again.
        """
        deadline = time.monotonic() + timeout_s
        try:
            with domain_failures():
                if self._connection is None:
                    self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                    self._connection.detach()
                    self._listen(self._connection)
                while self._reader.last_position() == position:
                    remaining_s = deadline - time.monotonic()
                    if remaining_s <= 0 or not self._changed(self._connection, remaining_s):
                        return False
                return True
        except Unavailable:
            self.close()
            raise

    def close(self) -> None:
        """Give the connection up, alive or not."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        driver = None if connection.invalidated else connection.connection.driver_connection
        # SQLAlchemy begins by rolling back, which fails if the server has gone, and goes no further then.
        with suppress(DBAPIError):
            connection.close()
        if driver is not None:
            driver.close()

    @abstractmethod
    def _listen(self, connection: Connection) -> None:
        """Prepare the connection so that from here on no change escapes `_changed`."""

    @abstractmethod
    def _changed(self, connection: Connection, timeout_s: float) -> bool:
        """Wait until something was committed that no earlier call has told of; return whether it was."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()


class _ListeningWatch(FeedWatch):
    def _listen(self, connection: Connection) -> None:
        connection.exec_driver_sql(f"LISTEN {FEED_CHANNEL}")

    def _changed(self, connection: Connection, timeout_s: float) -> bool:
        with driver_connection(connection, "LISTEN") as driver:
            return bool(list(driver.notifies(timeout=timeout_s, stop_after=1)))


class _PollingWatch(FeedWatch):
    def _listen(self, connection: Connection) -> None:
        with driver_connection(connection, _DATA_VERSION) as driver:
            self._version = driver.execute(_DATA_VERSION).fetchone()[0]

    def _changed(self, connection: Connection, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        with driver_connection(connection, _DATA_VERSION) as driver:
            while (version := driver.execute(_DATA_VERSION).fetchone()[0]) == self._version:
                remaining_s = deadline - time.monotonic()
                if remaining_s <= 0:
                    return False
                time.sleep(min(_POLL_S, remaining_s))
        self._version = version
        return True
