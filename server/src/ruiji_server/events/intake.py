"""Taking events in: judged one by one, written together, acknowledged when they are durable."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from ruiji_events.errors import JournalBusy, JournalError, JournalFull
from ruiji_events.events import encode_event
from ruiji_events.journal import Journal

from ruiji_server.domain.errors import InvalidArgument, Overloaded, Reason, Unavailable
from ruiji_server.events.settings import EventSettings
from ruiji_server.store.clock import now_us

_REMEMBERED: Final = 200_000
"""Ids of durable events that a process recognises at once; what it has forgotten, or another process took, is found
when the journal is compacted."""


class OutcomeKind(StrEnum):
    """What became of an event."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one event."""

    event_id: str
    kind: OutcomeKind
    error: InvalidArgument | None = None
    """Set if and only if it was rejected."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An event that can be taken."""

    event_id: str
    line: bytes
    """As the journal keeps it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that cannot."""

    event_id: str
    error: InvalidArgument


class EventIntake:
    """Records batches in a journal. Use `record` in one event loop; `prepare` in any thread."""

    def __init__(self, journal: Journal, settings: EventSettings, clock_us: Callable[[], int] = now_us) -> None:
        """Prepare to record.

        Args:
            journal: where events are kept.
            settings: which are taken.
            clock_us: microseconds since 1970 UTC.
        """
        self._journal = journal
        self._skew_us = round(settings.clock_skew_s * 1e6)
        self._max_age_us = round(settings.max_age_s * 1e6)
        self._clock_us = clock_us
        self._durable: OrderedDict[str, None] = OrderedDict()
        self._under_way: dict[str, asyncio.Future[None]] = {}

    def prepare(self, event: dict[str, Any]) -> Prepared | Refused:
        """Judge an event's time, and put it into the form of the journal.

        Args:
            event: the columns of its table without `received`, and `table`; otherwise sound. It is changed.
        """
        event_id, happened_us, received_us = event["event_id"], event["time"], self._clock_us()
        if happened_us > received_us + self._skew_us:
            return Refused(
                event_id,
                InvalidArgument(
                    Reason.EVENT_FROM_FUTURE,
                    f"the event happens {(happened_us - received_us) / 1e6:.0f} s from now; clocks may be "
                    f"{self._skew_us / 1e6:.0f} s apart",
                    field="time",
                ),
            )
        if happened_us < received_us - self._max_age_us:
            return Refused(
                event_id,
                InvalidArgument(
                    Reason.EVENT_TOO_OLD,
                    f"the event happened {(received_us - happened_us) / 86_400e6:.1f} days ago; at most "
                    f"{self._max_age_us / 86_400e6:.1f} are accepted",
                    field="time",
                ),
            )
        event["time"], event["received"] = min(happened_us, received_us), received_us
        return Prepared(event_id, encode_event(event))

    async def record(self, batch: Sequence[Prepared | Refused]) -> list[Outcome]:
        """Record a batch; return what became of each event, in order, once those that were taken are durable.

        Raises:
            Overloaded: the disk is full.
            Unavailable: the disk fails or cannot follow. In all cases nothing of the batch is acknowledged.
        """
        outcomes: list[Outcome] = []
        fresh: dict[str, bytes] = {}
        awaited: set[asyncio.Future[None]] = set()
        for event in batch:
            if isinstance(event, Refused):
                outcomes.append(Outcome(event.event_id, OutcomeKind.REJECTED, event.error))
                continue
            other = self._under_way.get(event.event_id)
            if other is not None:
                # The same event in another call that is not durable yet: what becomes of that one becomes of this.
                awaited.add(other)
            if other is not None or event.event_id in fresh or event.event_id in self._durable:
                outcomes.append(Outcome(event.event_id, OutcomeKind.DUPLICATE))
                continue
            fresh[event.event_id] = event.line
            outcomes.append(Outcome(event.event_id, OutcomeKind.ACCEPTED))
        with _domain_failures():
            if fresh:
                awaited.add(self._append(fresh))
            for written in awaited:
                # A caller that leaves must not cancel what others wait for.
                await asyncio.shield(written)
        return outcomes

    def _append(self, fresh: dict[str, bytes]) -> asyncio.Future[None]:
        written = asyncio.wrap_future(self._journal.append(list(fresh.values())))
        self._under_way.update(dict.fromkeys(fresh, written))
        written.add_done_callback(lambda done: self._settle(fresh, done))
        return written

    def _settle(self, fresh: dict[str, bytes], done: asyncio.Future[None]) -> None:
        for event_id in fresh:
            del self._under_way[event_id]
        if done.cancelled() or done.exception() is not None:
            return
        self._durable.update(dict.fromkeys(fresh))
        while len(self._durable) > _REMEMBERED:
            self._durable.popitem(last=False)


@contextmanager
def _domain_failures() -> Iterator[None]:
    try:
        yield
    except JournalFull as error:
        raise Overloaded(
            Reason.JOURNAL_FULL, "the disk of the events' journal is full; no event was acknowledged"
        ) from error
    except JournalBusy as error:
        raise Unavailable(
            Reason.JOURNAL_BUSY, "more events arrive than the disk takes; no event was acknowledged; try again"
        ) from error
    except JournalError as error:
        raise Unavailable(
            Reason.JOURNAL_FAILED, "the events' journal cannot be written; no event was acknowledged; try again"
        ) from error
