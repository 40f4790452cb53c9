"""What passes between the steps: pairs, and why a listing does not become one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class DropReason(StrEnum):
    """Why a listing was left out, as far as no rule says so; rules bring names of their own."""

    MALFORMED_LINE = "malformed-line"
    NO_ID = "no-id"
    REPEATED_ID = "repeated-id"
    NO_TITLE = "no-title"
    SHORT_TITLE = "short-title"
    NO_PICTURE_NAMED = "no-picture-named"
    PICTURE_MISSING = "picture-missing"
    PICTURE_BROKEN = "picture-broken"


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture, by name, and what was said of it."""

    pair_id: str
    """The marketplace's own id."""
    titles: tuple[str, ...]
    """At least one, as they were written; several are alternatives, as in two languages."""
    picture: str
    """Its name in a `PictureStore`."""
    where: str
    """Where it was read, such as `items.tsv:17`."""
    categories: tuple[str, ...] = ()
    """What else is true of it and of many others, such as the name of its category."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A listing that was left out."""

    where: str
    """Where it was read, such as `items.tsv:17`."""
    reason: str
    """A `DropReason` or the name of a rule."""
    what: str
    """What was wrong, for people: the title or the picture's name."""


@dataclass(slots=True)
class PairCounts:
    """What became of every listing; `read` is the sum of `kept`, `not_sampled` and everything in `dropped`."""

    read: int = 0
    """Listings seen."""
    kept: int = 0
    """Pairs in the prepared set."""
    not_sampled: int = 0
    """Good as far as anybody looked, but more than were asked for."""
    dropped: Counter[str] = field(default_factory=Counter)
    """By reason."""
    examples: dict[str, list[Dropped]] = field(default_factory=dict)
    """The first few of each reason."""

    examples_each: int = 3
    """How many are kept."""

    def drop(self, dropped: Dropped) -> None:
        """Count a listing that was left out."""
        self.dropped[dropped.reason] += 1
        examples = self.examples.setdefault(dropped.reason, [])
        if len(examples) < self.examples_each:
            examples.append(dropped)

    def as_dict(self) -> dict[str, object]:
        """Return what can be written as JSON."""
        return {
            "read": self.read,
            "kept": self.kept,
            "not_sampled": self.not_sampled,
            "dropped": dict(self.dropped.most_common()),
        }
