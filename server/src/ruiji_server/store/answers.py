"""What became of a batch, and how that is kept for a request that comes again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum


class UpsertKind(StrEnum):
    """What became of an item of a batch."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Rejection:
    """An item that was not taken, and why."""

    item_id: str
    reason: str
    message: str
    field: str


@dataclass(frozen=True, slots=True)
class UpsertOutcome:
    """What became of one item of a batch."""

    item_id: str
    kind: UpsertKind
    rejection: Rejection | None = None


@dataclass(frozen=True, slots=True)
class UpsertAnswer:
    """What became of a batch."""

    outcomes: tuple[UpsertOutcome, ...]
    """In the order of the batch."""
    feed_position: int
    """Whoever has read the feed up to here has seen the batch."""
    replayed: bool = False
    """The request had been applied before; this is the answer of then."""


def answer_to_json(answer: UpsertAnswer) -> str:
    """Return the answer as it is stored."""
    outcomes = [
        {
            "item_id": outcome.item_id,
            "kind": outcome.kind,
            "rejection": None if outcome.rejection is None else asdict(outcome.rejection),
        }
        for outcome in answer.outcomes
    ]
    kept = {"outcomes": outcomes, "feed_position": answer.feed_position, "replayed": answer.replayed}
    return json.dumps(kept, ensure_ascii=False)


def answer_from_json(text: str) -> UpsertAnswer:
    """Return a stored answer, marked as given before."""
    raw = json.loads(text)
    outcomes = tuple(
        UpsertOutcome(
            item_id=entry["item_id"],
            kind=UpsertKind(entry["kind"]),
            rejection=Rejection(**entry["rejection"]) if entry["rejection"] else None,
        )
        for entry in raw["outcomes"]
    )
    return UpsertAnswer(outcomes, raw["feed_position"], replayed=True)
