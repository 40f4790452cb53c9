"""A folder of events as a test sees it, and rows to put there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ruiji_events.compaction import Compacted, compact
from ruiji_events.events import encode_event
from ruiji_events.journal import Journal, JournalSettings
from ruiji_events.queries import EventQueries
from ruiji_events.schema import Table
from ruiji_events.storage import EventFolder

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def micros(moment: datetime) -> int:
    """Return microseconds since 1970 UTC."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _row(table: str, event_id: str, fields: dict[str, Any]) -> dict[str, Any]:
    at = micros(fields.pop("at", NOON))
    return {"table": table, "event_id": event_id, "time": at, "received": at, "unit": "ab" * 16, **fields}


def an_impression(event_id: str, request_id: str = "r", **fields: Any) -> dict[str, Any]:
    """Return an impression of two items; keywords replace its columns, `at` its time."""
    items = [{"item_id": "a", "position": 1, "score": 0.75, "cosine": 0.5}, {"item_id": "b", "position": 2}]
    columns = {"request_id": request_id, "query_item_id": "q", "source": "client", "experiments": [], "items": items}
    return _row("impressions", event_id, columns | fields)


def a_tap(event_id: str, request_id: str = "r", **fields: Any) -> dict[str, Any]:
    """Return a tap on item a."""
    return _row("taps", event_id, {"request_id": request_id, "item_id": "a", "position": 1} | fields)


def a_purchase(event_id: str, **fields: Any) -> dict[str, Any]:
    """Return a purchase of item a that names no request."""
    return _row("purchases", event_id, {"item_id": "a", "amount_minor": 900, "currency_code": "JPY"} | fields)


@dataclass(frozen=True)
class Events:
    """A local folder of events with its journal."""

    root: Path

    @property
    def journal(self) -> Path:
        return self.root / "journal"

    @property
    def folder(self) -> EventFolder:
        return EventFolder(str(self.root))

    def record(self, *events: dict[str, Any], **settings: Any) -> None:
        """Record in a journal of its own, durably, and seal it."""
        journal = Journal(self.journal, JournalSettings(**settings))
        journal.append([encode_event(event) for event in events]).result()
        journal.close()

    def compact(self, **options: Any) -> Compacted:
        return compact(self.folder, self.journal, **options)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the partitions."""
        with EventQueries(self.folder) as queries:
            return queries.sql(query).fetchall()

    def ids(self, table: str) -> list[str]:
        """Return the event ids of a table, sorted, each as often as it is there."""
        folder, kind = self.folder, Table(table)
        files = [(day, name) for day in folder.days(kind) for name in folder.names(kind, day)]
        return sorted(
            event_id
            for day, name in files
            for event_id in folder.read(kind, day, name, ["event_id"])["event_id"].to_pylist()
        )

    def files(self) -> list[str]:
        """Return the partitions' files, relative to the root."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.glob("*/date=*/*"))


def ids_of(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Return the event ids, sorted."""
    return sorted(row["event_id"] for row in rows)
