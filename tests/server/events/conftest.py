"""A server that keeps events, and what it kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruiji_client import AsyncRuijiClient
from ruiji_events.compaction import Compacted, compact
from ruiji_events.queries import EventQueries
from ruiji_events.storage import EventFolder
from ruiji_events.units import UnitHasher, read_key
from ruiji_server.events.settings import EventSettings
from ruiji_server.services.server import ServerSettings

from tests.support.services import served


@dataclass(frozen=True)
class KeptEvents:
    """A folder of events."""

    root: Path

    @property
    def journal(self) -> Path:
        return self.root / "journal"

    @property
    def units(self) -> UnitHasher:
        return UnitHasher(read_key(self.root / "unit.key"))

    def compact(self) -> Compacted:
        return compact(EventFolder(str(self.root)), self.journal)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Compact, then ask."""
        self.compact()
        with EventQueries(EventFolder(str(self.root))) as queries:
            return queries.sql(query).fetchall()


@pytest.fixture
def events(tmp_path: Path) -> KeptEvents:
    return KeptEvents(tmp_path / "events")


Keeping = Callable[..., AbstractAsyncContextManager[AsyncRuijiClient]]


@pytest.fixture
def keeping(filled_store, generations, events: KeptEvents) -> Keeping:
    """Starts a server that keeps events; keywords are of `EventSettings`."""

    @asynccontextmanager
    async def start(**options: Any) -> AsyncIterator[AsyncRuijiClient]:
        settings = ServerSettings(
            address="127.0.0.1:0",
            drain_s=0.0,
            events=EventSettings(events.journal, **options),
            unit_key=events.root / "unit.key",
        )
        async with served(filled_store.database, generations, settings=settings) as client:
            yield client

    return start
