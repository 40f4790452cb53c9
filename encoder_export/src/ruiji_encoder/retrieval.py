"""How good embeddings are at finding like items, by exact search, so that nothing but the embedding is judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def nearest_neighbours(vectors: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Return the k rows of highest cosine to each row, itself left out, best first.

    Args:
        vectors: shape (n, d), unit length; n is small enough for an n x n matrix.
        k: below n.

    Returns:
        Shape (n, k), int64; ties in the order of rows.
    """
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    order: NDArray[np.int64] = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    return order


def precision_at_k(neighbours: NDArray[np.int64], labels: Sequence[object], k: int) -> float:
    """Return the mean share of the first k neighbours that have the query's label.

    Args:
        neighbours: as `nearest_neighbours` gives them, at least k per row.
        labels: one per row, compared for equality.
        k: how many neighbours count.
    """
    _, codes = np.unique(np.array([repr(label) for label in labels]), return_inverse=True)
    return float((codes[neighbours[:, :k]] == codes[:, None]).mean())


def neighbour_overlap(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Return the mean share of neighbours that two searches have in common, whatever their order."""
    shared = [len(set(a) & set(b)) for a, b in zip(first.tolist(), second.tolist(), strict=True)]
    return float(np.mean(shared)) / first.shape[1]


def thumbnail_vectors(pictures: NDArray[np.uint8], side: int = 16) -> NDArray[np.float32]:
    """Return the pictures themselves as vectors: the baseline that an encoder has to beat.

    Args:
        pictures: shape (n, 256, 256, 3), uint8.
        side: of the thumbnail, a divisor of 256; each of its pixels is the mean of a block.

    Returns:
        Shape (n, side * side * 3), float32, centred over the set, unit length.
    """
    block = pictures.shape[1] // side
    blocks = pictures.reshape(len(pictures), side, block, side, block, 3)
    flat = blocks.mean(axis=(2, 4), dtype=np.float32).reshape(len(pictures), -1)
    flat -= flat.mean(axis=0)
    unit: NDArray[np.float32] = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), np.float32(1e-12))
    return unit
