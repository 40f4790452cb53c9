"""Cells: items in groups that lie near each other, each around a centre found by k-means.

What is near an item is mostly in its own cell and in those around it, so much of an exact search can be had by matrix
products of items with a few cells.
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 8
_LEARNED_FROM_PER_CELL = 64
_AT_ONCE = 8_192
_SORTED_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Cells:
    """Where the cells are."""

    centres: NDArray[np.float32]
    """Shape (cells, dimensions), unit length."""

    @classmethod
    def fit(
        cls, embeddings: NDArray[np.float32], rows: NDArray[np.integer[Any]], cells: int, seed: int, executor: Executor
    ) -> Cells:
        """Find centres by spherical k-means (Dhillon and Modha 2001) over a sample of 64 items a cell.

        Args:
            embeddings: shape (items, dimensions), float32, unit length; may be memory-mapped.
            rows: of the items to group, shape (n,), each once.
            cells: how many, 1 to n. One that loses all its items keeps its centre.
            seed: of the sample and of the first centres, which are items.
            executor: does parts of the work.
        """
        sample = np.random.default_rng(seed).choice(rows, min(len(rows), cells * _LEARNED_FROM_PER_CELL), replace=False)
        # Sorted, since they come from a file.
        found, vectors = cls(embeddings[np.sort(sample[:cells])]), embeddings[np.sort(sample)]
        for _ in range(_ROUNDS):
            found = found._moved(vectors, found.of(vectors, np.arange(len(vectors)), executor))
        return found

    def of(
        self, embeddings: NDArray[np.float32], rows: NDArray[np.integer[Any]], executor: Executor
    ) -> NDArray[np.int64]:
        """Return the cell of each of the rows, which is that with the nearest centre, shape (n,).

        Args:
            embeddings: shape (items, dimensions), float32, unit length; may be memory-mapped.
            rows: shape (n,).
            executor: does parts of the work.
        """

        def nearest(start: int) -> NDArray[np.int64]:
            found: NDArray[np.int64] = (embeddings[rows[start : start + _AT_ONCE]] @ self.centres.T).argmax(axis=1)
            return found

        parts = executor.map(nearest, range(0, len(rows), _AT_ONCE))
        return np.concatenate([np.empty(0, np.int64), *parts])

    def nearest(self, vectors: NDArray[np.float32], cells: int) -> NDArray[np.bool_]:
        """Return which cells are the nearest to each vector, by their centres.

        Args:
            vectors: shape (n, dimensions), float32, unit length.
            cells: how many of them; all if there are no more.

        Returns:
            Shape (cells in all, n).
        """
        near = np.zeros((len(self.centres), len(vectors)), dtype=np.bool_)
        cells = min(cells, len(self.centres))
        for start in range(0, len(vectors), _SORTED_AT_ONCE):
            cosines = vectors[start : start + _SORTED_AT_ONCE] @ self.centres.T
            best = np.argpartition(cosines, -cells, axis=1)[:, -cells:]
            near[best, np.arange(start, start + len(best))[:, None]] = True
        return near

    def _moved(self, vectors: NDArray[np.float32], cells: NDArray[np.int64]) -> Cells:
        """Return them in the directions of the means of their vectors."""
        order = np.argsort(cells, kind="stable")
        held, starts = np.unique(cells[order], return_index=True)
        sums = np.add.reduceat(vectors[order], starts, axis=0)
        centres = self.centres.copy()
        centres[held] = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return Cells(centres)
