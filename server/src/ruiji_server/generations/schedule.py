"""Whether enough changed for a new generation."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path

import numpy as np

from ruiji_server.columns import layout
from ruiji_server.generations.builder import LEAST_ITEMS
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.errors import DamagedGeneration
from ruiji_server.generations.leases import lease
from ruiji_server.generations.manifest import read_manifest
from ruiji_server.store.engine import Database
from ruiji_server.store.feed import FeedReader, FeedTrimmed
from ruiji_server.store.lookups import embedded_among
from ruiji_server.store.snapshot import open_snapshot

_LOG = logging.getLogger(__name__)
_ENTRIES_AT_ONCE = 10_000
_PASSED_OVER_AT_MOST = 100_000
"""Changes that mean nothing to an encoder and yet call for a generation: servers read past them when they load the old
one, and the feed cannot be trimmed before it."""


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


@dataclass(slots=True)
class _Seen:
    """What was read of the feed since a generation."""

    generation_id: str
    position: int
    """Everything up to here was read."""
    changed: set[str] = field(default_factory=set)
    """Items that a new generation would hold otherwise, or no longer, or for the first time."""
    passed_over: int = 0
    """Changes of other items, which this encoder has not embedded."""


class Schedule:
    """Says when an encoder needs a new generation, and remembers how far it has read the feed for each."""

    def __init__(self, database: Database, directory: GenerationDirectory, limit: ChangeLimit) -> None:
        """Set what counts.

        Args:
            database: the store.
            directory: of the generations.
            limit: how many changed items call for a new generation.
        """
        self._database = database
        self._feed = FeedReader(database)
        self._directory = directory
        self._limit = limit
        self._seen: dict[str, _Seen] = {}

    def is_due(self, encoder_id: str) -> bool:
        """Return whether enough changed for an encoder since its published generation for a new one.

        An item that it has not embedded, and that is not in the generation, changes nothing for it. Where none is
        published, two embedded items are enough; where it is damaged, it should be replaced at once.

        Raises:
            UnknownEncoder: the encoder is not registered with the store.
            FeedPositionError: the generation was built from another store.
        """
        current = self._directory.current_id(encoder_id)
        if current is not None and not self._is_outdated(encoder_id, current):
            return False
        with open_snapshot(self._database, encoder_id) as snapshot:
            return snapshot.count >= LEAST_ITEMS

    def _is_outdated(self, encoder_id: str, generation_id: str) -> bool:
        try:
            published = read_manifest(self._directory.folder(generation_id))
            wanted = self._limit.of(published.items)
            seen = self._seen.get(encoder_id)
            if seen is None or seen.generation_id != generation_id:
                seen = self._seen[encoder_id] = _Seen(generation_id, published.feed_position)
            self._read_on(encoder_id, seen, wanted)
        except DamagedGeneration:
            return True
        except FeedTrimmed as trimmed:
            # Nobody can bring it up to date any more.
            _LOG.warning("generation %s has to be replaced: %s", generation_id, trimmed)
            return True
        return len(seen.changed) >= wanted or seen.passed_over >= max(wanted, _PASSED_OVER_AT_MOST)

    def _read_on(self, encoder_id: str, seen: _Seen, wanted: int) -> None:
        """Read the feed to its end, or until enough changed."""
        while len(seen.changed) < wanted:
            entries, reached = self._feed.changes_since(seen.position, _ENTRIES_AT_ONCE)
            touched = [entry.item_id for entry in entries if entry.encoder_id is None]
            changed = self._held(encoder_id, seen.generation_id, sorted({*touched} - seen.changed))
            seen.changed |= changed
            seen.changed.update(entry.item_id for entry in entries if entry.encoder_id == encoder_id)
            seen.passed_over += sum(item_id not in seen.changed for item_id in touched)
            if reached == seen.position:
                break
            seen.position = reached

    def _held(self, encoder_id: str, generation_id: str, item_ids: Sequence[str]) -> set[str]:
        """Return the items that are in the generation, or would be in a new one."""
        if not item_ids:
            return set()
        before = _in_generation(self._directory.folder(generation_id), item_ids)
        return before | embedded_among(self._database, encoder_id, [one for one in item_ids if one not in before])


def _in_generation(folder: Path, item_ids: Sequence[str]) -> set[str]:
    """Return the items that a generation holds, told by the hashes of their ids."""
    wanted = np.array([layout.id_hash(item_id.encode()) for item_id in item_ids], dtype=np.uint64)
    with lease(folder):
        try:
            hashes = np.load(folder / layout.ID_HASHES, mmap_mode="r")
        except (OSError, EOFError, ValueError) as error:
            raise DamagedGeneration(f"{folder / layout.ID_HASHES} cannot be read: {error}") from error
        # They ascend.
        found = hashes.searchsorted(wanted, side="left") < hashes.searchsorted(wanted, side="right")
    return set(compress(item_ids, found))
