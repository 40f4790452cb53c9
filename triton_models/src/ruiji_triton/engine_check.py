"""Does an engine compute what ONNX Runtime computes? Asked on the machine that serves.

What an engine makes of a graph depends on the processor, so that an export's own gate cannot speak for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from ruiji_encoding.gates import MIN_COSINE, MIN_OVERLAP, NEIGHBOURS, neighbour_overlap
from ruiji_encoding.manifest import MODEL_FILE, read_manifest

from ruiji_triton.cpu_engine import CpuEngine
from ruiji_triton.errors import RepositoryError
from ruiji_triton.python_backend.engines import Engine, EngineError, open_engine

FEWEST_FOR_NEIGHBOURS = 64
"""Pictures of which neighbours say anything."""

_FIRST_BATCHES, _BATCH = (1, 2, 7), 8
"""The first pictures are asked about in batches of these sizes, the others in batches of that."""
_LENGTH_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class EngineCheck:
    """How close an engine comes to ONNX Runtime with the same file."""

    pictures: int
    min_cosine: float
    """Lowest cosine between both embeddings of a picture."""
    overlap: float | None
    """Mean share of the nearest others that stay; None for fewer pictures than `FEWEST_FOR_NEIGHBOURS`."""


def check_engine(
    encoder_folder: Path, engine: CpuEngine, pictures: NDArray[np.uint8], *, threads: int = 0
) -> EngineCheck:
    """Compare an engine's embeddings with those of ONNX Runtime, in batches of several sizes.

    Args:
        encoder_folder: an encoder artefact; its checksum is verified.
        engine: which will serve.
        pictures: shape (n, 256, 256, 3), uint8; neighbours are compared from `FEWEST_FOR_NEIGHBOURS` on.
        threads: of one run; 0 takes every CPU that this process may use.

    Raises:
        EncoderError: the artefact is missing or damaged.
        RepositoryError: the engine is not installed, cannot run this precision, or is below the precision's gate.
    """
    manifest = read_manifest(encoder_folder)
    model, precision = encoder_folder / MODEL_FILE, manifest.precision
    try:
        opened = [
            open_engine(name, model, threads=threads, precision=str(precision))
            for name in (CpuEngine.ONNXRUNTIME, engine)
        ]
    except EngineError as error:
        raise RepositoryError(f"{encoder_folder}: {error}") from error
    expected, found = (_embedded(each, pictures) for each in opened)
    if found.shape != expected.shape or not (np.abs(np.linalg.norm(found, axis=1) - 1) <= _LENGTH_TOLERANCE).all():
        raise RepositoryError(f"{encoder_folder}: {engine} answers no vectors of unit length; use onnxruntime")
    min_cosine = float(np.sum(expected.astype(np.float64) * found, axis=1).min())
    overlap = neighbour_overlap(expected, found) if len(pictures) >= FEWEST_FOR_NEIGHBOURS else None
    if min_cosine < MIN_COSINE[precision]:
        raise RepositoryError(
            f"{encoder_folder}: embeddings of {engine} differ from those of ONNX Runtime: cosine {min_cosine:.6f} is "
            f"below the limit of {MIN_COSINE[precision]} for {precision}; use onnxruntime"
        )
    if overlap is not None and overlap < MIN_OVERLAP[precision]:
        raise RepositoryError(
            f"{encoder_folder}: with {engine} pictures keep {overlap:.1%} of their {NEIGHBOURS} nearest, below the "
            f"limit of {MIN_OVERLAP[precision]:.0%} for {precision}; use onnxruntime"
        )
    return EngineCheck(len(pictures), min_cosine, overlap)


def _embedded(engine: Engine, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.concatenate([engine.run(batch) for batch in _batches(pictures)])


def _batches(pictures: NDArray[np.uint8]) -> Sequence[NDArray[np.uint8]]:
    first = np.cumsum(_FIRST_BATCHES).tolist()
    ends = [*first, *range(first[-1] + _BATCH, len(pictures), _BATCH)]
    return [batch for batch in np.split(pictures, ends) if len(batch)]
