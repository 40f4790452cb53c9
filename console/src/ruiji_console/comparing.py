"""Two pages for one query, side by side: what moved, what is new, what is gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Difference(StrEnum):
    """What became of an item from the left page to the right one."""

    SAME = "same"
    UP = "up"
    DOWN = "down"
    NEW = "new"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Place:
    """An item's place on one of two pages."""

    item_id: str
    position: int
    """From 1."""
    difference: Difference
    moved: int = 0
    """By how many places; 0 unless it moved."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both pages with what differs."""

    left: tuple[Place, ...]
    right: tuple[Place, ...]
    shared: int
    """Items on both."""

    @property
    def overlap(self) -> float:
        """Share of the longer page that is on both, 0 to 1; 1 for two empty pages."""
        longer = max(len(self.left), len(self.right))
        return self.shared / longer if longer else 1.0

    def count(self, difference: Difference) -> int:
        """Return to how many items this happened."""
        places = self.left if difference == Difference.GONE else self.right
        return sum(place.difference == difference for place in places)


def compare(left: Sequence[str], right: Sequence[str]) -> Comparison:
    """Compare two pages of item ids, each once on a page, best first.

    An item of both pages is marked alike on both: up if the right page has it further up.
    """
    place_left = {item_id: place for place, item_id in enumerate(left, 1)}
    place_right = {item_id: place for place, item_id in enumerate(right, 1)}

    def place(item_id: str, position: int, alone: Difference) -> Place:
        if item_id not in place_left or item_id not in place_right:
            return Place(item_id, position, alone)
        up_by = place_left[item_id] - place_right[item_id]
        difference = Difference.SAME if up_by == 0 else Difference.UP if up_by > 0 else Difference.DOWN
        return Place(item_id, position, difference, abs(up_by))

    return Comparison(
        tuple(place(item_id, position, Difference.GONE) for position, item_id in enumerate(left, 1)),
        tuple(place(item_id, position, Difference.NEW) for position, item_id in enumerate(right, 1)),
        len(place_left.keys() & place_right.keys()),
    )
