"""Which encoders embed the catalogue."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from ruiji_server.store.engine import Database
from ruiji_server.store.schema import encoders


@dataclass(frozen=True, slots=True)
class RegisteredEncoder:
    """An encoder that the store keeps embeddings of."""

    encoder_id: str
    name: str
    dimensions: int


def registered_encoders(database: Database) -> list[RegisteredEncoder]:
    """Return the encoders that were registered, oldest first."""
    statement = select(encoders.c.encoder_id, encoders.c.name, encoders.c.dimensions).order_by(
        encoders.c.registered_at_us, encoders.c.encoder_id
    )
    with database.read() as connection:
        return [RegisteredEncoder(*row) for row in connection.execute(statement)]
