"""Exact nearest neighbours, for narrow price bands, for measuring recall, and as what tests compare with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BLOCK_ROWS = 65_536
"""32 MB of 128-dimensional float32 rows: bounds what a scan copies."""


def nearest_among(
    embeddings: NDArray[np.float32], rows: NDArray[np.int64], query: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the `k` of the given rows with the highest cosine to the query, best first; ties by row.

    Args:
        embeddings: shape (items, dimensions), float32, unit length; may be memory-mapped.
        rows: row numbers to look at, shape (n,), int64, each once.
        query: shape (dimensions,), float32, unit length.
        k: how many; fewer come back if there are fewer rows.

    Returns:
        Rows and their cosines, both of shape (min(k, n),).
    """
    best_rows = np.empty(0, dtype=np.int64)
    best_cosines = np.empty(0, dtype=np.float32)
    for start in range(0, len(rows), _BLOCK_ROWS):
        block = rows[start : start + _BLOCK_ROWS]
        cosines = embeddings.take(block, axis=0) @ query
        best_rows, best_cosines = _best(np.concatenate((best_rows, block)), np.concatenate((best_cosines, cosines)), k)
    return best_rows, best_cosines


def nearest_neighbours(embeddings: NDArray[np.float32], queries: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Return for each query row its `k` nearest other rows among all, best first.

    Args:
        embeddings: shape (items, dimensions), float32, unit length; more than `k` items.
        queries: row numbers, shape (n,), int64.
        k: neighbours each.

    Returns:
        Row numbers, shape (n, k), int64.
    """
    found = np.empty((len(queries), k), dtype=np.int64)
    # As many queries at once as keep the matrix of cosines near 256 MB.
    step = max(1, 2**26 // len(embeddings))
    for start in range(0, len(queries), step):
        block = queries[start : start + step]
        cosines = embeddings[block] @ embeddings.T
        cosines[np.arange(len(block)), block] = -np.inf
        top = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(cosines, top, axis=1), axis=1, kind="stable")
        found[start : start + len(block)] = np.take_along_axis(top, order, axis=1)
    return found


def _best(
    rows: NDArray[np.int64], cosines: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    if len(rows) > k:
        # Everything as good as the k-th stays, so that ties are settled by row and not by position.
        threshold = np.partition(cosines, len(cosines) - k)[len(cosines) - k]
        kept = cosines >= threshold
        rows, cosines = rows[kept], cosines[kept]
    order = np.lexsort((rows, -cosines))[:k]
    return rows[order], cosines[order]
