"""How far an encoder has come with embedding the catalogue, and when it will be done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select

from ruiji_server.store.clock import now_us
from ruiji_server.store.encoders import EncoderState, encoder_in
from ruiji_server.store.engine import Database
from ruiji_server.store.schema import embedding_tasks, encoders, feed, items

_WINDOW_S: Final = 60.0
"""The rate is measured over this long."""
_ENTRIES_LOOKED_AT: Final = 50_000
"""Or over so many of the newest changes, where more come."""


@dataclass(frozen=True, slots=True)
class EmbeddingProgress:
    """How far one encoder has come."""

    total: int
    """Items of the catalogue."""
    waiting: int
    """Items whose present picture is to be embedded, those under way included."""
    parked: int
    """Items whose picture was given up."""
    rate_per_s: float
    """Pictures that were embedded in a second, by all workers together, of late."""

    @property
    def done(self) -> int:
        """Items whose present picture is embedded."""
        return self.total - self.waiting - self.parked

    @property
    def done_share(self) -> float:
        """Share of the items that are embedded, of those that can be; 1 for an empty catalogue."""
        possible = self.total - self.parked
        return 1.0 if possible == 0 else self.done / possible

    @property
    def remaining_s(self) -> float | None:
        """When it will be done at this rate, in seconds; None if nothing moves."""
        if self.waiting == 0:
            return 0.0
        return self.waiting / self.rate_per_s if self.rate_per_s > 0 else None


def embedding_progress(database: Database, encoder_id: str) -> EmbeddingProgress:
    """Return how far an encoder has come. Counts items and tasks, which takes seconds where they are many.

    Raises:
        UnknownEncoder: it was never registered.
    """
    with database.read() as connection:
        encoder = encoder_in(connection, encoder_id)
        total = connection.execute(select(func.count()).select_from(items)).scalar_one()
        by_parked = (
            select(embedding_tasks.c.parked, func.count())
            .where(embedding_tasks.c.encoder_id == encoder_id)
            .group_by(embedding_tasks.c.parked)
        )
        counts = {bool(parked): count for parked, count in connection.execute(by_parked)}
        waiting = counts.get(False, 0)
        given_to = connection.execute(
            select(encoders.c.tasks_given_to).where(encoders.c.encoder_id == encoder_id)
        ).scalar_one()
        if given_to is not None and encoder.state != EncoderState.RETIRED:
            # Some of these may have their tasks already, from writers who know the encoder.
            ungiven = select(func.count()).select_from(items).where(items.c.item_id > given_to)
            given = (
                select(func.count())
                .select_from(embedding_tasks)
                .where(embedding_tasks.c.encoder_id == encoder_id, embedding_tasks.c.item_id > given_to)
            )
            waiting += connection.execute(ungiven).scalar_one() - connection.execute(given).scalar_one()
        return EmbeddingProgress(total, waiting, counts.get(True, 0), _rate_per_s(connection, encoder_id))


def _rate_per_s(connection: Connection, encoder_id: str) -> float:
    now = now_us()
    newest = (
        select(feed.c.encoder_id, feed.c.appended_at_us)
        .order_by(feed.c.position.desc())
        .limit(_ENTRIES_LOOKED_AT)
        .subquery()
    )
    recent = newest.c.appended_at_us > now - round(_WINDOW_S * 1e6)
    seen, since_us = connection.execute(select(func.count(), func.min(newest.c.appended_at_us)).where(recent)).one()
    embedded = connection.execute(
        select(func.count()).select_from(newest).where(recent, newest.c.encoder_id == encoder_id)
    ).scalar_one()
    # The whole window, unless there were too many changes to see all of it.
    seen_s = _WINDOW_S if seen < _ENTRIES_LOOKED_AT else (now - since_us) / 1e6
    return float(embedded / max(seen_s, 1e-6))
