"""Taking away the oldest part of the feed, which nobody reads any more.

What may go is said by whoever knows the readers: nothing at or above the feed position of any generation that may
still be opened. A reader that comes back from further behind is told so (`FeedTrimmed`), for what it would have to read
is not there any more.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select

from ruiji_server.store.clock import now_us
from ruiji_server.store.engine import Database
from ruiji_server.store.feed import last_position, trimmed_to
from ruiji_server.store.locks import own_trimming
from ruiji_server.store.schema import feed, feed_trims

_ENTRIES_AT_ONCE: Final = 5_000


@dataclass(frozen=True, slots=True)
class FeedExtent:
    """What there is of the feed."""

    trimmed_to: int
    """No entry up to here is left; 0 if nothing was ever taken away."""
    last_position: int
    """Of the newest entry; 0 if there is none."""
    entries: int


def feed_extent(database: Database) -> FeedExtent:
    """Return what there is of the feed. Counts its entries, which takes a while where they are many."""
    with database.read() as connection:
        entries = connection.execute(select(func.count()).select_from(feed)).scalar_one()
        return FeedExtent(trimmed_to(connection), last_position(connection), entries)


def trim_feed(
    database: Database, below: int, older_than_s: float, progress: Callable[[int], None] = lambda _: None
) -> int:
    """Take away entries that are below a position and older than an age; return how many there were.

    Goes from the oldest on, some thousand in a transaction, and stops at the first that must stay. The newest entry of
    all stays in any case, since positions are told by it.

    Args:
        database: the store.
        below: the lowest position that must stay readable from: entries below it may go.
        older_than_s: entries that are younger stay.
        progress: told how many were taken away since its last call.
    """
    taken = 0
    while True:
        with database.write() as connection:
            own_trimming(connection)
            count = _trim_some(connection, below, now_us() - round(older_than_s * 1e6))
        if count == 0:
            return taken
        taken += count
        progress(count)


def _trim_some(connection: Connection, below: int, before_us: int) -> int:
    below = min(below, last_position(connection))
    oldest = connection.execute(
        select(feed.c.position, feed.c.appended_at_us)
        .where(feed.c.position < below)
        .order_by(feed.c.position)
        .limit(_ENTRIES_AT_ONCE)
    )
    # An entry that does not know its time is older than the store's last upgrade.
    going = [
        row.position
        for row in itertools.takewhile(
            lambda row: row.appended_at_us is None or row.appended_at_us < before_us, oldest.all()
        )
    ]
    if not going:
        return 0
    connection.execute(delete(feed).where(feed.c.position <= going[-1]))
    connection.execute(insert(feed_trims), {"trimmed_to": going[-1], "trimmed_at_us": now_us()})
    connection.execute(delete(feed_trims).where(feed_trims.c.trimmed_to < going[-1]))
    return len(going)
