"""What an export or an engine must keep of the fp32 model, by precision, or it is refused.

Limits were chosen before anything was measured.

Cosines say how far embeddings moved; the overlap of nearest neighbours says whether anybody would see it. A cosine of
0.99 means little where all pictures lie close together, so both are asked.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ruiji_encoding.manifest import Precision

NEIGHBOURS = 10
"""Nearest others that are compared."""

MIN_COSINE = {
    Precision.FP32: 0.9999,
    Precision.FP16: 0.999,
    Precision.BF16: 0.999,
    Precision.INT8: 0.99,
    Precision.INT8_STATIC: 0.98,
}
"""Lowest cosine between both embeddings of any picture."""

MIN_OVERLAP = {
    Precision.FP32: 0.99,
    Precision.FP16: 0.95,
    Precision.BF16: 0.9,
    Precision.INT8: 0.8,
    Precision.INT8_STATIC: 0.7,
}
"""Lowest mean share of the nearest others that stay."""


def neighbour_overlap(
    reference: NDArray[np.float32], other: NDArray[np.float32], neighbours: int = NEIGHBOURS
) -> float:
    """Return the mean share of each picture's nearest others that both sets of embeddings have in common.

    Args:
        reference: embeddings, shape (n, d), float32, unit length; n above `neighbours`.
        other: embeddings of the same pictures.
        neighbours: how many count.
    """
    nearest = [_nearest(vectors, neighbours) for vectors in (reference, other)]
    shared = [len(set(a) & set(b)) for a, b in zip(*(rows.tolist() for rows in nearest), strict=True)]
    return float(np.mean(shared)) / neighbours


def _nearest(vectors: NDArray[np.float32], neighbours: int) -> NDArray[np.int64]:
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    rows: NDArray[np.int64] = np.argsort(-cosines, axis=1, kind="stable")[:, :neighbours]
    return rows
