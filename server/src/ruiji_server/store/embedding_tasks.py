"""Which pictures wait for which encoder, who works on them, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ruiji_server.store import embedding_backlog, embedding_failures, embedding_leases, embedding_vectors
from ruiji_server.store.embedding_backlog import Backlog, BacklogFigures
from ruiji_server.store.embedding_failures import FailedTask
from ruiji_server.store.embedding_leases import EmbeddingTask, Lease
from ruiji_server.store.embedding_vectors import FinishedTask
from ruiji_server.store.encoders import register_encoder
from ruiji_server.store.engine import Database
from ruiji_server.store.task_rows import LONGEST_WAIT_S

__all__ = [
    "LONGEST_WAIT_S",
    "Backlog",
    "BacklogFigures",
    "EmbeddingTask",
    "EmbeddingTaskStore",
    "FailedTask",
    "FinishedTask",
    "Lease",
]


class EmbeddingTaskStore:
    """Tasks and embeddings of one encoder. Every write is durable when its method returns. Blocking.

    Attributes:
        database: the store.
        encoder_id: the encoder.
    """

    def __init__(self, database: Database, encoder_id: str) -> None:
        self.database = database
        self.encoder_id = encoder_id

    def register_encoder(self, name: str, dimensions: int) -> None:
        """Make the encoder known and give it a task for every item; does nothing if that was done."""
        register_encoder(self.database, self.encoder_id, name, dimensions)

    def claim(self, limit: int, lease_s: float, max_bytes: int | None = None) -> list[EmbeddingTask]:
        """Take up to `limit` due tasks; nobody else gets them until the lease ends or they are finished.

        Pictures come along where the store has their bytes: at most `max_bytes` of them together, or one picture.
        The longest due are taken first. An encoder that is not promoted gets what its rate allows (see `pacing`), and
        a retired one nothing.

        Args:
            limit: most tasks to take.
            lease_s: seconds that they are this worker's; at most `LONGEST_WAIT_S` counts.
            max_bytes: of inline pictures; None for no bound.

        Raises:
            UnknownEncoder: the encoder was never registered.
        """
        return embedding_leases.claim(self.database, self.encoder_id, limit, lease_s, max_bytes)

    def renew(self, leases: Sequence[Lease], lease_s: float) -> list[Lease]:
        """Make leases longer, `lease_s` seconds from now on; return the new ones of those that were still held.

        The others were lost: the task is finished, its picture was replaced, or the lease had ended and another worker
        took the task.
        """
        return embedding_leases.renew(self.database, self.encoder_id, leases, lease_s)

    def release(self, tasks: Sequence[EmbeddingTask | Lease]) -> None:
        """Give tasks back untried, for instance because Triton is away. Those of other workers stay theirs."""
        embedding_leases.release(self.database, self.encoder_id, tasks)

    def finish(self, finished: Sequence[FinishedTask]) -> None:
        """Store embeddings and remove their tasks, unless a newer picture has come meanwhile. Safe to repeat.

        Embeddings of an encoder that was retired meanwhile are dropped.

        Raises:
            UnknownEncoder: the encoder was never registered.
            EncoderStateError: a vector is not of this encoder's dimensions; nothing was stored.
        """
        embedding_vectors.finish(self.database, self.encoder_id, finished)

    def vector(self, item_id: str) -> NDArray[np.float32]:
        """Return the embedding of an item's present picture, shape (dimensions,), float32, unit length.

        Raises:
            NotReady: there is none yet, or there will not be one; the message says why.
        """
        return embedding_vectors.vector_of(self.database, self.encoder_id, item_id)

    def fail(self, failed: Sequence[FailedTask]) -> None:
        """Note why tasks failed; park those that cannot succeed."""
        embedding_failures.fail(self.database, self.encoder_id, failed)

    def unpark(self, reason: str | None = None, item_ids: Sequence[str] | None = None) -> int:
        """Give parked tasks another chance, some thousand at a time; return how many there were.

        Args:
            reason: only those parked for this reason.
            item_ids: only those of these items; at most some thousand.
        """
        return embedding_failures.unpark(self.database, self.encoder_id, reason, item_ids)

    def parked_by_reason(self, reason: str | None = None, item_ids: Sequence[str] | None = None) -> dict[str, int]:
        """Return how many tasks are parked for each reason; the arguments are those of `unpark`."""
        return embedding_failures.parked_by_reason(self.database, self.encoder_id, reason, item_ids)

    def parked(self, limit: int) -> list[FailedTask]:
        """Return parked tasks with their reasons, at most `limit`, in the order of their item ids."""
        return embedding_failures.parked(self.database, self.encoder_id, limit)

    def backlog(self) -> Backlog:
        """Return how many tasks wait (leased ones included) and how many are parked."""
        return embedding_backlog.backlog(self.database, self.encoder_id)

    def figures(self) -> BacklogFigures:
        """Return the backlog by what an operator asks; reads every task's entry in an index."""
        return embedding_backlog.backlog_figures(self.database, self.encoder_id)

    def next_due_us(self) -> int | None:
        """Return when the next task is due, or was, in microseconds since 1970 UTC; None if none is.

        A task is due when it is new, after its pause, or when a dead worker's lease of it ends.
        """
        return embedding_backlog.next_due_us(self.database, self.encoder_id)
