"""The writers' own books: what was acknowledged, what may have happened, and whether the catalogue agrees."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Listing:
    """Everything that can be read back of an item."""

    title: str
    price_minor: int
    category_path: tuple[str, ...]
    sold: bool
    picture_sha256: str


Versions = Mapping[str, Listing | None]
"""How items stand by id; None where there is no such item."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A request: how its items stood before, and how they stand if it was applied."""

    before: Versions
    after: Versions


@dataclass(frozen=True, slots=True)
class Findings:
    """How a catalogue compares with the books."""

    items: int
    """Acknowledged items that were looked at, deleted ones included."""
    lost: tuple[str, ...]
    """Items that do not stand as they were acknowledged last; what they are instead."""
    halves: tuple[str, ...]
    """Unanswered requests of which a part was applied."""
    unanswered: int
    """Unanswered requests that were looked at."""
    applied: int
    """Those of them that had been applied."""

    @property
    def wrong(self) -> tuple[str, ...]:
        """Everything that must not be."""
        return self.lost + self.halves


@dataclass(slots=True)
class _Books:
    acknowledged: dict[str, Listing | None] = field(default_factory=dict)
    unanswered: list[Batch] = field(default_factory=list)
    acknowledgements: int = 0
    items: int = 0
    buried: set[str] = field(default_factory=set)
    """Deleted, and found to be gone by an audit."""


class Ledger:
    """Keeps the books of all writers. Each item has one writer, who touches none that is in doubt."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._books = _Books()

    def begin(self, after: Versions) -> Batch:
        """Note that a request is about to be sent."""
        with self._lock:
            return Batch({item_id: self._books.acknowledged.get(item_id) for item_id in after}, dict(after))

    def acknowledge(self, batch: Batch) -> None:
        """Note that a request was answered."""
        with self._lock:
            self._books.items += len(batch.after.keys() - self._books.acknowledged.keys())
            self._books.acknowledged.update(batch.after)
            self._books.acknowledgements += 1

    def leave_open(self, batch: Batch) -> None:
        """Note that nobody will send a request again whose answer did not come."""
        with self._lock:
            self._books.unanswered.append(batch)

    def known(self, prefix: str) -> dict[str, Listing | None]:
        """Return the items of one writer of which no request is open, as they were acknowledged."""
        with self._lock:
            open_ids = {item_id for batch in self._books.unanswered for item_id in batch.after}
            acknowledged = self._books.acknowledged.items()
            return {key: value for key, value in acknowledged if key.startswith(prefix) and key not in open_ids}

    @property
    def acknowledgements(self) -> int:
        """How many requests were acknowledged."""
        return self._books.acknowledgements

    @property
    def items(self) -> int:
        """How many items were ever acknowledged."""
        return self._books.items

    def present(self) -> list[str]:
        """Return the ids of the items that are known to be there."""
        return [item_id for item_id, listing in self.known("").items() if listing is not None]

    def audit(self, read: Callable[[str], Listing | None]) -> Findings:
        """Compare the catalogue with the books; what was in doubt is settled by it.

        Args:
            read: returns how an item stands now. Nobody may write meanwhile.
        """
        with self._lock:
            books = self._books
            unanswered, books.unanswered = books.unanswered, []
            doubtful = {item_id for batch in unanswered for item_id in batch.after}
            certain = {key: value for key, value in books.acknowledged.items() if key not in doubtful}
            lost = [
                f"{item_id}: acknowledged {wanted}, found {found}"
                for item_id, wanted in certain.items()
                if (found := read(item_id)) != wanted
            ]
            halves, applied = [], 0
            for batch in unanswered:
                found_now = {item_id: read(item_id) for item_id in batch.after}
                if found_now == dict(batch.after):
                    applied += 1
                elif found_now != dict(batch.before):
                    halves.append(f"before {batch.before}, sent {batch.after}, found {found_now}")
                books.acknowledged.update(found_now)
            self._forget_deleted()
            return Findings(len(certain), tuple(lost), tuple(halves), len(unanswered), applied)

    def _forget_deleted(self) -> None:
        """Take out what two audits found to be gone, or every audit would take longer than the one before."""
        books = self._books
        for item_id in books.buried:
            books.acknowledged.pop(item_id, None)
        books.buried = {item_id for item_id, listing in books.acknowledged.items() if listing is None}
