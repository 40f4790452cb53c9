"""What was done to encoders, and when: written in the transaction that does it, never changed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, insert, select

from ruiji_server.store.clock import now_us
from ruiji_server.store.engine import Database
from ruiji_server.store.schema import encoder_changes


class Change(StrEnum):
    """What can be done to an encoder. The store keeps these words: never rename one."""

    REGISTERED = "registered"
    REVIVED = "revived"
    SHARE_SET = "share set"
    RATE_SET = "rate set"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled back"
    RETIRED = "retired"
    TASKS_DELETED = "tasks deleted"
    EMBEDDINGS_DELETED = "embeddings deleted"


@dataclass(frozen=True, slots=True)
class EncoderChange:
    """One thing that was done to an encoder."""

    changed_at_us: int
    """Microseconds since 1970 UTC."""
    encoder_id: str
    change: Change
    detail: str
    """For people."""


def note_change(connection: Connection, encoder_id: str, change: Change, detail: str = "") -> None:
    """Write down what the transaction does to an encoder."""
    row = {"changed_at_us": now_us(), "encoder_id": encoder_id, "change": str(change), "detail": detail}
    connection.execute(insert(encoder_changes), row)


def encoder_history(database: Database, limit: int, encoder_id: str | None = None) -> list[EncoderChange]:
    """Return the latest changes, newest first.

    Args:
        database: the store.
        limit: how many at most.
        encoder_id: of this encoder only; None means all.
    """
    statement = select(encoder_changes).order_by(encoder_changes.c.number.desc()).limit(limit)
    if encoder_id is not None:
        statement = statement.where(encoder_changes.c.encoder_id == encoder_id)
    with database.read() as connection:
        return [
            EncoderChange(row.changed_at_us, row.encoder_id, Change(row.change), row.detail)
            for row in connection.execute(statement)
        ]
