"""Does the exported graph compute what the PyTorch model computes? Asked with real pictures, at several batch sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from ruiji_encoding.manifest import Parity

from ruiji_encoder.errors import ParityError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Embedder(Protocol):
    """Whatever embeds: the PyTorch model, an ONNX file, a TensorRT engine."""

    def embed(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn RGB pictures, shape (n, 256, 256, 3), uint8, into embeddings, shape (n, d), float32, unit length."""
        ...


BATCH_SIZES = (1, 2, 7, 64)
"""One, the size that was traced, an odd one, and a large one."""

NORM_TOLERANCE = 1e-5
"""Largest distance of an embedding's length from 1."""


def measure_parity(
    reference: Embedder,
    exported: Embedder,
    pictures: NDArray[np.uint8],
    *,
    min_cosine: float,
    batch_sizes: Sequence[int] = BATCH_SIZES,
) -> Parity:
    """Compare the embeddings of one picture made by both, for different pictures in each batch as far as they last.

    Args:
        reference: the PyTorch model in fp32, or an fp32 export that passed this gate.
        exported: the same model from its ONNX file, or as an engine.
        pictures: real ones, shape (n, 256, 256, 3), uint8; n at least the largest batch size.
        min_cosine: the gate.
        batch_sizes: the exported graph runs once at each.

    Returns:
        What was measured.

    Raises:
        ParityError: too few pictures, an answer of another shape, type or length, or a cosine below the gate.
    """
    if not batch_sizes or len(pictures) < max(batch_sizes):
        raise ParityError(f"{len(pictures)} pictures cannot fill batches of {tuple(batch_sizes)}: give more")
    rows_of = _rows(batch_sizes, len(pictures))
    used = np.unique(np.concatenate(rows_of))
    parts = [reference.embed(pictures[part]) for part in np.array_split(used, -(-len(used) // 16))]
    expected = np.zeros((len(pictures), parts[0].shape[1]), np.float32)
    expected[used] = np.concatenate(parts)

    lowest, where = 1.0, 0
    for rows in rows_of:
        actual = exported.embed(pictures[rows])
        _check_form(actual, expected[rows])
        cosines = np.einsum("nd,nd->n", actual.astype(np.float64), expected[rows].astype(np.float64))
        if cosines.min() < lowest:
            lowest, where = float(cosines.min()), len(rows)
    if lowest < min_cosine:
        raise ParityError(
            f"the exported graph's embeddings differ from the PyTorch model's: cosine {lowest:.6f} at batch {where} is "
            f"below the limit of {min_cosine}. Nothing was written; what int8 harms can be exported in fp32"
        )
    return Parity(pictures=len(used), batch_sizes=tuple(batch_sizes), min_cosine=lowest, limit=min_cosine)


def _rows(batch_sizes: Sequence[int], pictures: int) -> list[NDArray[np.int64]]:
    starts = np.cumsum([0, *batch_sizes[:-1]])
    return [(start + np.arange(size)) % pictures for start, size in zip(starts, batch_sizes, strict=True)]


def _check_form(actual: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    if actual.shape != expected.shape or actual.dtype != np.float32:
        raise ParityError(
            f"the exported graph answers {actual.shape} {actual.dtype} where {expected.shape} float32 is expected"
        )
    # NaN fails this comparison too.
    if not (np.abs(np.linalg.norm(actual, axis=1) - 1.0) <= NORM_TOLERANCE).all():
        raise ParityError(f"the exported graph's embeddings at batch {len(actual)} are not of unit length")
