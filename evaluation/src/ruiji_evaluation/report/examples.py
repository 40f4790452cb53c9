"""Queries on which an encoder wins most and loses most against the baseline, with the pictures that say why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ruiji_evaluation.catalogue import Item
    from ruiji_evaluation.evaluation import Evaluation

EXAMPLES = 8
"""Wins on a page, and as many losses."""

HITS = 6
"""Ranks that are shown of each ranking."""

_OF_ONE_LEAF = 2
"""Most examples of one leaf category, so that a page shows more than one kind of thing."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One item of a ranking."""

    item: Item
    """What was found."""
    grade: int
    """How relevant it is; 0 is not."""


@dataclass(frozen=True, slots=True)
class Example:
    """One query and two rankings."""

    query: Item
    """The item that asks."""
    baseline_value: float
    """The first measure of the baseline's ranking."""
    value: float
    """The first measure of the encoder's."""
    baseline_hits: tuple[Hit, ...]
    """Best first."""
    hits: tuple[Hit, ...]
    """Best first."""


def wins_and_losses(evaluation: Evaluation, encoder: str) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Return the queries with the largest gain and with the largest loss, largest first.

    Args:
        evaluation: holds the rankings.
        encoder: one of its encoders, not the baseline.
    """
    rankings, baseline = evaluation.rankings, evaluation.comparison.baseline
    gain = rankings.values[encoder][:, 0] - rankings.values[baseline][:, 0]
    return (
        tuple(_example(evaluation, encoder, query) for query in _largest(gain, evaluation)),
        tuple(_example(evaluation, encoder, query) for query in _largest(-gain, evaluation)),
    )


def _largest(gain: NDArray[np.float64], evaluation: Evaluation) -> list[int]:
    rankings = evaluation.rankings
    chosen: list[int] = []
    of_leaf: dict[tuple[str, ...], int] = {}
    for query in np.argsort(-gain, kind="stable").tolist():
        if gain[query] <= 0 or len(chosen) == EXAMPLES:
            break
        leaf = rankings.items[rankings.queries[query]].category
        if of_leaf.get(leaf, 0) < _OF_ONE_LEAF:
            of_leaf[leaf] = of_leaf.get(leaf, 0) + 1
            chosen.append(query)
    return chosen


def _example(evaluation: Evaluation, encoder: str, query: int) -> Example:
    rankings, baseline = evaluation.rankings, evaluation.comparison.baseline
    return Example(
        query=rankings.items[rankings.queries[query]],
        baseline_value=float(rankings.values[baseline][query, 0]),
        value=float(rankings.values[encoder][query, 0]),
        baseline_hits=_hits(evaluation, baseline, query),
        hits=_hits(evaluation, encoder, query),
    )


def _hits(evaluation: Evaluation, encoder: str, query: int) -> tuple[Hit, ...]:
    rankings = evaluation.rankings
    rows = rankings.top[encoder][query, :HITS].tolist()
    grades = rankings.grades[encoder][query, :HITS].tolist()
    return tuple(Hit(rankings.items[row], grade) for row, grade in zip(rows, grades, strict=True) if row >= 0)
