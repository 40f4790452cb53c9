"""Grades from attributes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruiji_evaluation.errors import StudyError
from ruiji_evaluation.relevance import Grading, Level

LEVELS = (Level(1, ("kind",)), Level(2, ("gender", "colour")), Level(3, (), ("brand", "usage")))
COLUMNS = ("kind", "gender", "colour", "brand", "usage")


def grade(query: dict[str, str], item: dict[str, str]) -> int:
    """The paper's words, as code."""

    def same(column: str) -> bool:
        return bool(query[column]) and query[column] == item[column]

    if not same("kind"):
        return 0
    if not (same("gender") and same("colour")):
        return 1
    return 3 if same("brand") or same("usage") else 2


items_of_few_values = st.lists(
    st.fixed_dictionaries({column: st.sampled_from(["", "a", "b"]) for column in COLUMNS}), min_size=1, max_size=12
)


@given(items_of_few_values)
def test_grades_are_levels_reached_one_after_the_other(items):
    grading = Grading(LEVELS, {column: [item[column] for item in items] for column in COLUMNS})
    rows = np.arange(len(items))
    expected = [[grade(query, item) for item in items] for query in items]
    assert grading.grades(rows, rows).tolist() == expected


def test_a_part_of_the_pairs_can_be_asked_for():
    grading = Grading(LEVELS[:1], {"kind": ["x", "y", "x"]})
    assert grading.grades(np.array([2]), np.array([0, 1])).tolist() == [[1, 0]]


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(StudyError, match="lacks: kind"):
        Grading(LEVELS[:1], {"colour": ["x"]})


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ((), "is missing"),
        ((Level(0, ("a",)),), "start at 1"),
        ((Level(2, ("a",)), Level(2, ("a",))), "rise"),
        ((Level(1),), "asks for nothing"),
    ],
)
def test_a_grading_that_means_nothing_is_refused(levels, message):
    with pytest.raises(StudyError, match=message):
        Grading(levels, {"a": ["x"]})
