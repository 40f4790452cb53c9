"""What an evaluation found: figures, and the rankings behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from ruiji_evaluation.catalogue import Item
    from ruiji_evaluation.comparison import Comparison

SHOWN_LENGTH = 10
"""Ranks that are kept of each ranking, to show them."""


@dataclass(frozen=True, slots=True)
class EncoderFacts:
    """One encoder of the evaluation."""

    name: str
    """Heads its row."""
    description: str
    """What it is."""
    dimensions: int
    """Length of its vectors; 0 where a row is no encoder."""
    explained_variance: float | None
    """Share of variance that its PCA keeps; None without PCA."""


@dataclass(frozen=True, slots=True, eq=False)
class Rankings:
    """The top of every ranking. Items are named by their row."""

    items: tuple[Item, ...]
    """All that occur."""
    queries: NDArray[np.int64]
    """The query item of each query, shape (queries,), int64."""
    top: Mapping[str, NDArray[np.int64]]
    """By encoder: best first, shape (queries, SHOWN_LENGTH), int64, -1 after the end of a short list."""
    grades: Mapping[str, NDArray[np.int64]]
    """By encoder: relevance of those, same shape."""
    values: Mapping[str, NDArray[np.float64]]
    """By encoder: the measures of each query, shape (queries, measures)."""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """The whole result."""

    title: str
    """Of the study."""
    facts: tuple[tuple[str, str], ...]
    """What was evaluated on what: name and value, for the head of a report."""
    left_out: Mapping[str, int]
    """What was not counted: reason to number."""
    notes: tuple[str, ...]
    """What a reader must know."""
    encoders: tuple[EncoderFacts, ...]
    """In the order of the report."""
    comparison: Comparison
    """All figures."""
    rankings: Rankings
    """What they were computed from."""
