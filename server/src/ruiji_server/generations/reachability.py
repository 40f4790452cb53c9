"""Which items an index finds at all, and repairing what it lost."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ruiji_server.generations.progress import BuildProgress
from ruiji_server.index.cells import Cells
from ruiji_server.index.usearch_index import UsearchIndex

_REPAIR_ROUNDS = 3
_SWEPT_AT_ONCE = 1_000
_CELL_ITEMS = 4_000
_FIRST_ASKED = 8
_SAME_COSINE = 1e-4
"""Embeddings nearer than this are told apart by chance: int8 rounds more away."""


def repair_lost(
    index: UsearchIndex, embeddings: NDArray[np.float32], candidates: int, progress: BuildProgress
) -> tuple[int, int]:
    """Look for every item and add anew what no search finds.

    Returns:
        How many items that were, and how many are still lost.
    """
    with progress.stage("Sweep for lost items", len(embeddings)) as advance:
        lost = unreachable_rows(index, embeddings, _neighbours_together(embeddings), candidates, advance)
        remaining = lost
        for _ in range(_REPAIR_ROUNDS):
            if len(remaining) == 0:
                break
            index.replace(remaining, embeddings[remaining])
            remaining = unreachable_rows(index, embeddings, remaining, candidates, lambda _: None)
    return len(lost), len(remaining)


def _neighbours_together(embeddings: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return all rows so that many near each other follow each other, shape (items,).

    Searches for them go through the same part of the graph, which is then in the processor's caches.
    """
    rows = np.arange(len(embeddings), dtype=np.int64)
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(os.cpu_count()) as executor:
        cells = Cells.fit(embeddings, rows, -(-len(rows) // _CELL_ITEMS), 0, executor)
        return np.argsort(cells.of(embeddings, rows, executor), kind="stable")


def unreachable_rows(
    index: UsearchIndex,
    embeddings: NDArray[np.float32],
    rows: NDArray[np.int64],
    candidates: int,
    progress: Callable[[int], None],
) -> NDArray[np.int64]:
    """Return those of the rows that a search with their own embedding does not bring.

    A row that does not come because `candidates` others are just as near counts as reachable: it has that many
    duplicates, and any search that should bring it brings some of those.
    """
    lost: list[int] = []
    for start in range(0, len(rows), _SWEPT_AT_ONCE):
        block = rows[start : start + _SWEPT_AT_ONCE]
        # Nearly all come among the first few; the full search, twice as dear, is for the others.
        first = index.search_many(embeddings[block], min(_FIRST_ASKED, candidates, len(embeddings)))
        missing = block[~(first == block[:, None]).any(axis=1)]
        if len(missing):
            queries = embeddings[missing]
            found = index.search_many(queries, min(candidates, len(embeddings)))
            for row, query, neighbours in zip(missing.tolist(), queries, found, strict=True):
                if row in neighbours:
                    continue
                if neighbours.min() < 0 or (embeddings[neighbours] @ query).min() < 1.0 - _SAME_COSINE:
                    lost.append(row)
        progress(len(block))
    return np.array(lost, dtype=np.int64)
