"""Which ids a file has had so far, in memory that does not grow with the file."""

from __future__ import annotations

import sqlite3


class SeenIds:
    """Item ids with the line each stands on: a private SQLite database that spills to a temporary file by itself."""

    def __init__(self) -> None:
        # Reading may move between threads, as asyncio.to_thread does; never into two at a time.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "CREATE TABLE seen (item_id TEXT PRIMARY KEY, line INTEGER NOT NULL) WITHOUT ROWID",
            "BEGIN",
        ):
            self._database.execute(statement)

    def line_of(self, item_id: str) -> int | None:
        """Return the line that the id stands on, or None if it was not added."""
        row: tuple[int] | None = self._database.execute(
            "SELECT line FROM seen WHERE item_id = ?", (item_id,)
        ).fetchone()
        return None if row is None else row[0]

    def add(self, item_id: str, line: int) -> None:
        """Remember an id that is not there yet."""
        self._database.execute("INSERT INTO seen VALUES (?, ?)", (item_id, line))

    def close(self) -> None:
        """Forget everything and remove the temporary file."""
        self._database.close()
