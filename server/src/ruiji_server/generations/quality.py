"""How good an index is: which items it finds, how many true neighbours, and repairing what it lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ruiji_server.index.exact import nearest_among, nearest_neighbours
from ruiji_server.index.usearch_index import UsearchIndex

NEIGHBOURS = 20
"""Recall is measured for the first page."""

_SWEPT_AT_ONCE = 1_000
_SAME_COSINE = 1e-4
"""Embeddings nearer than this are told apart by chance: int8 rounds more away."""


def recall_at_20(
    index: UsearchIndex,
    embeddings: NDArray[np.float32],
    queries: NDArray[np.int64],
    truth: NDArray[np.int64],
    candidates: int,
) -> float:
    """Return the share of exact neighbours found, searching as ranking does.

    Args:
        index: over the embeddings' rows.
        embeddings: shape (items, dimensions), float32, unit length.
        queries: row numbers, shape (n,).
        truth: their exact nearest other rows, shape (n, min(20, items - 1)), see `index.exact`.
        candidates: rows asked of the index, which are then ordered by their exact cosine.
    """
    found = 0
    for row, neighbours in zip(queries.tolist(), truth, strict=True):
        query = embeddings[row]
        rows = index.search(query, candidates + 1)
        best, _ = nearest_among(embeddings, rows[rows != row], query, truth.shape[1])
        found += np.isin(neighbours, best).sum()
    return float(found / truth.size)


def sample_with_truth(
    embeddings: NDArray[np.float32], sample_size: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows chosen at random and their exact 20 nearest other rows (fewer in a tiny catalogue)."""
    items = len(embeddings)
    queries = np.random.default_rng(seed).choice(items, size=min(sample_size, items), replace=False)
    return queries, nearest_neighbours(embeddings, queries, min(NEIGHBOURS, items - 1))


def choose_expansion(
    index: UsearchIndex,
    embeddings: NDArray[np.float32],
    queries: NDArray[np.int64],
    truth: NDArray[np.int64],
    *,
    candidates: int,
    target: float,
    ladder: Sequence[int],
) -> float:
    """Set the index to the least expansion (ef) of the ladder that meets the target, or to the largest.

    Returns:
        The recall at 20 it has with that.
    """
    recall = 0.0
    for expansion in ladder:
        index.expansion_search = expansion
        recall = recall_at_20(index, embeddings, queries, truth, candidates)
        if recall >= target:
            break
    return recall


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
        queries = embeddings[block]
        found = index.search_many(queries, min(candidates, len(embeddings)))
        missing = np.flatnonzero(~(found == block[:, None]).any(axis=1))
        for position in missing.tolist():
            neighbours = found[position]
            cosines = embeddings[neighbours] @ queries[position]
            if neighbours.min() < 0 or cosines.min() < 1.0 - _SAME_COSINE:
                lost.append(int(block[position]))
        progress(len(block))
    return np.array(lost, dtype=np.int64)


def repair(index: UsearchIndex, embeddings: NDArray[np.float32], rows: NDArray[np.int64]) -> None:
    """Add rows anew, one after the other, which gives them edges that lead to them."""
    for row in rows.tolist():
        index.replace(row, embeddings[row])
