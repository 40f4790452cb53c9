"""Exact search in blocks: nothing but the embedding is judged, and memory stays small."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_BLOCK_CELLS = 8_000_000
"""Cosines held at once; 32 MB, and twice that for their sort keys."""


def unit_length(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale rows to length 1; a row of zeros stays one, and is equally far from everything."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return unit


def nearest(
    queries: NDArray[np.float32],
    gallery: NDArray[np.float32],
    k: int,
    *,
    progress: Callable[[int], None] | None = None,
) -> NDArray[np.int64]:
    """Return the k gallery rows of highest cosine to each query, best first.

    Args:
        queries: shape (q, d), float32, unit length.
        gallery: shape (n, d), float32, unit length.
        k: more than n gives n.
        progress: told the number of queries done since the last call.

    Returns:
        Rows of the gallery, shape (q, min(k, n)), int64. Equal cosines are in the order of rows.
    """
    k = min(k, len(gallery))
    found = np.empty((len(queries), k), np.int64)
    block = max(1, _BLOCK_CELLS // max(len(gallery), 1))
    for start in range(0, len(queries), block):
        cosines = queries[start : start + block] @ gallery.T
        found[start : start + block] = best_rows(cosines, k)
        if progress is not None:
            progress(len(cosines))
    return found


def best_rows(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Return the columns of the k highest scores in each row, best first, equal scores by column.

    Score and column are packed into one integer key, so that a partial sort settles ties as a full stable sort would.

    Args:
        scores: shape (q, n), float32, no NaN; n below 2**31.
        k: at most n.
    """
    bits = (scores.astype(np.float32) + np.float32(0.0)).view(np.int32).astype(np.int64)
    # Floats sort like their bits, negative ones backwards.
    ascending = np.where(bits >= 0, bits, np.int64(-(2**31)) - bits)
    columns = np.arange(scores.shape[1], dtype=np.int64)
    keys = (-ascending << np.int64(31)) + columns
    if k < scores.shape[1]:
        keys = np.partition(keys, k - 1, axis=1)[:, :k]
    keys.sort(axis=1)
    return keys & np.int64(2**31 - 1)
