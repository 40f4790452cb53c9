"""Graded relevance from attributes: how much two items have in common, level by level.

A level is reached when the levels below it are, all columns of `all` are equal, and one of `any` is. An item's grade
for a query is the gain of the highest level reached, or 0. What is empty equals nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ruiji_evaluation.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_EMPTY = -1


@dataclass(frozen=True, slots=True)
class Level:
    """One step of the grading."""

    gain: int
    """Grade of what reaches this level and none above; at least 1, above that of the level before."""
    all_of: tuple[str, ...] = ()
    """Columns that must all be equal."""
    any_of: tuple[str, ...] = ()
    """Columns of which one must be equal."""

    def __str__(self) -> str:
        terms = [*self.all_of, *(["(" + " or ".join(self.any_of) + ")"] if self.any_of else [])]
        return f"{self.gain}: {' and '.join(terms)}"


def check_levels(levels: Sequence[Level]) -> None:
    """Check that gains rise and every level asks for something.

    Raises:
        StudyError: they do not.
    """
    if not levels:
        raise StudyError("[[relevance]] is missing: say which equal columns make items relevant")
    gains = [level.gain for level in levels]
    if gains[0] < 1 or any(later <= earlier for earlier, later in pairwise(gains)):
        raise StudyError(f"[[relevance]] gains must start at 1 or more and rise from level to level, not {gains}")
    if any(not level.all_of and not level.any_of for level in levels):
        raise StudyError("[[relevance]] has a level that asks for nothing: name columns under all or any")


class Grading:
    """Grades of pairs of items, from columns turned into numbers once."""

    def __init__(self, levels: Sequence[Level], attributes: Mapping[str, Sequence[str]]) -> None:
        """Take in the columns.

        Args:
            levels: lowest first.
            attributes: by column name, one value for each item.

        Raises:
            StudyError: a level names a column that is not there.
        """
        check_levels(levels)
        self._levels = tuple(levels)
        wanted = {column for level in levels for column in (*level.all_of, *level.any_of)}
        missing = sorted(wanted - set(attributes))
        if missing:
            raise StudyError(f"[[relevance]] names columns that the item table lacks: {', '.join(missing)}")
        self._codes = {column: _codes(attributes[column]) for column in wanted}

    def grades(self, queries: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.int64]:
        """Grade every item for every query, both given by row.

        Returns:
            Shape (len(queries), len(items)), int64, 0 where nothing is shared.
        """
        grades = np.zeros((len(queries), len(items)), np.int64)
        reached = np.ones(grades.shape, np.bool_)
        for level in self._levels:
            for column in level.all_of:
                reached &= self._equal(column, queries, items)
            if level.any_of:
                one = np.zeros(grades.shape, np.bool_)
                for column in level.any_of:
                    one |= self._equal(column, queries, items)
                reached &= one
            grades[reached] = level.gain
        return grades

    def _equal(self, column: str, queries: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.bool_]:
        codes = self._codes[column]
        asked = codes[queries][:, None]
        equal: NDArray[np.bool_] = (asked == codes[items][None, :]) & (asked != _EMPTY)
        return equal


def _codes(values: Sequence[str]) -> NDArray[np.int64]:
    known: dict[str, int] = {}
    return np.array([known.setdefault(value, len(known)) if value else _EMPTY for value in values], np.int64)
