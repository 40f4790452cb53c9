"""Where the items come from that every system gets: made up, or those of a store of Ruiji's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from ruiji_server.store.embedded_items import EmbeddedItem
from ruiji_server.store.encoders import active_encoders
from ruiji_server.store.engine import open_database
from ruiji_server.store.snapshot import open_snapshot

from benchmarks.synthetic_catalogue import DIMENSIONS, synthetic_items


class SourceError(Exception):
    """There are no items to compare with; the message says why."""


@dataclass(frozen=True)
class Reading:
    """All items, once."""

    count: int
    dimensions: int
    items: Iterator[EmbeddedItem]
    """In the order of their ids."""


@dataclass(frozen=True)
class Source:
    """Items that can be read again and again."""

    folder: str
    """Name of the folder of what is made of them."""
    description: str
    """For the report."""
    open: Callable[[], AbstractContextManager[Reading]]


def synthetic(count: int, seed: int) -> Source:
    """Return items that `benchmarks.synthetic_catalogue` makes up."""

    @contextmanager
    def read() -> Iterator[Reading]:
        yield Reading(count, DIMENSIONS, synthetic_items(count, seed))

    return Source(f"items-{count}-seed-{seed}", f"synthetic, seed {seed}", read)


def of_store(url: str, encoder_id: str | None = None) -> Source:
    """Return the items of a store, with the embeddings that an encoder gave them. The store is only read.

    Args:
        url: SQLAlchemy URL of the store.
        encoder_id: whose embeddings; those of the promoted encoder unless given.

    Raises:
        SourceError: the store has no encoder.
        StoreError: it cannot be opened.
    """
    database = open_database(url)
    try:
        encoders = {encoder.encoder_id: encoder for encoder in active_encoders(database)}
    finally:
        database.close()
    if not encoders:
        raise SourceError(
            "the store has no encoder: nothing in it is embedded; run `ruiji worker run --encoder-id ID` first"
        )
    chosen = next(iter(encoders)) if encoder_id is None else encoder_id
    if chosen not in encoders:
        raise SourceError(f"the store has no encoder {chosen}; there are {', '.join(encoders)}")

    @contextmanager
    def read() -> Iterator[Reading]:
        database = open_database(url)
        try:
            with open_snapshot(database, chosen) as snapshot:
                yield Reading(snapshot.count, snapshot.dimensions, snapshot.items())
        finally:
            database.close()

    digest = hashlib.sha256(url.encode()).hexdigest()[:8]
    # A worker registers an encoder under its id.
    name = encoders[chosen].name
    described = f"of a store, embedded by {chosen}" + ("" if name == chosen else f" ({name})")
    return Source(f"store-{digest}-{chosen}", described, read)
