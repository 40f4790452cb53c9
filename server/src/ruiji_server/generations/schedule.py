"""When a builder that goes on for ever should build."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

from ruiji_server.generations.builder import LEAST_ITEMS
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.errors import DamagedGeneration
from ruiji_server.generations.manifest import GenerationManifest, read_manifest
from ruiji_server.store.engine import Database
from ruiji_server.store.feed import FeedReader, FeedTrimmed
from ruiji_server.store.snapshot import open_snapshot

_LOG = logging.getLogger(__name__)
_ENTRIES_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class ChangeLimit:
    """How many changed items call for a new generation."""

    items: int = 1
    """At least so many,"""
    share: float = 0.0
    """and at least this share of the generation's items."""

    @classmethod
    def parse(cls, text: str) -> ChangeLimit:
        """Read `5000` as a number of items and `2%` as a share of the generation.

        Raises:
            ValueError: it is neither, or not above zero.
        """
        found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(%?)", text.strip())
        if found is None or float(found[1]) <= 0 or (not found[2] and "." in found[1]):
            raise ValueError(
                f"{text!r} is no number of items, such as 5000, and no share of the generation, such as 2%"
            )
        return cls(share=float(found[1]) / 100) if found[2] else cls(items=int(found[1]))

    def of(self, items: int) -> int:
        """Return the number of changed items for a generation of so many."""
        return max(1, self.items, round(self.share * items))


class Backoff:
    """Longer and longer pauses for encoders whose builds fail, so that others get their turn."""

    def __init__(self, *, first_s: float, most_s: float) -> None:
        """Set the pauses.

        Args:
            first_s: after the first failure; each further one doubles it,
            most_s: up to this.
        """
        self._first_s = first_s
        self._most_s = most_s
        self._pause_s: dict[str, float] = {}
        self._until_s: dict[str, float] = {}

    def is_pausing(self, encoder_id: str, now_s: float) -> bool:
        """Return whether an encoder is to be left alone at a time, in seconds of a clock that is never set."""
        return now_s < self._until_s.get(encoder_id, now_s)

    def failed(self, encoder_id: str, now_s: float) -> float:
        """Note a failure; return how long the encoder pauses."""
        pause_s = min(2.0 * self._pause_s.get(encoder_id, self._first_s / 2.0), self._most_s)
        self._pause_s[encoder_id] = pause_s
        self._until_s[encoder_id] = now_s + pause_s
        return pause_s

    def succeeded(self, encoder_id: str) -> None:
        """Forget an encoder's failures."""
        self._pause_s.pop(encoder_id, None)
        self._until_s.pop(encoder_id, None)


def is_due(database: Database, encoder_id: str, directory: GenerationDirectory, limit: ChangeLimit) -> bool:
    """Return whether enough changed since the encoder's published generation for a new one.

    Where none is published, two embedded items are enough; where it is damaged, it should be replaced at once.

    Raises:
        UnknownEncoder: the encoder is not registered with the store.
        FeedPositionError: the generation was built from another store.
    """
    current = directory.current_id(encoder_id)
    published: GenerationManifest | None = None
    if current is not None:
        try:
            published = read_manifest(directory.folder(current))
        except DamagedGeneration:
            published = None
    if published is not None:
        wanted = limit.of(published.items)
        try:
            if changed_since(database, encoder_id, published.feed_position, at_most=wanted) < wanted:
                return False
        except FeedTrimmed as trimmed:
            # Nobody can bring it up to date any more.
            _LOG.warning("generation %s has to be replaced: %s", published.generation_id, trimmed)
    with open_snapshot(database, encoder_id) as snapshot:
        return snapshot.count >= LEAST_ITEMS


def changed_since(database: Database, encoder_id: str, position: int, *, at_most: int) -> int:
    """Return how many items changed for an encoder after a feed position; stops counting at a number."""
    feed = FeedReader(database)
    changed: set[str] = set()
    while len(changed) < at_most:
        entries, reached = feed.changes_since(position, _ENTRIES_AT_ONCE)
        changed.update(entry.item_id for entry in entries if entry.encoder_id in {None, encoder_id})
        if reached == position:
            break
        position = reached
    return min(len(changed), at_most)
