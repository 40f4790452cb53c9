"""What a precision costs and what it gains: exports of one encoder beside its fp32 export, on real pictures."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ruiji_encoder.gates import MIN_COSINE, MIN_OVERLAP, NEIGHBOURS, neighbour_overlap
from ruiji_encoder.onnx_session import open_encoder
from ruiji_encoding.manifest import MODEL_FILE, EncoderManifest, Precision

from ruiji_evaluation.errors import EncoderUnavailable, NothingToEvaluate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from ruiji_encoder.onnx_session import OnnxEncoder

    from ruiji_evaluation.progress import Stages

_AT_ONCE = 8
_TIMED_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class PrecisionFigures:
    """One row of the table."""

    encoder_id: str
    """Of the export."""
    precision: Precision
    """Of its products."""
    model_bytes: int
    """Size of `model.onnx`."""
    min_cosine: float
    """Lowest cosine to the fp32 export's embedding of the same picture."""
    mean_cosine: float
    """Mean of those."""
    overlap: float
    """Mean share of each picture's nearest others that stay."""
    pictures_per_s: float
    """Best of a few rounds in batches of 8, on as many threads as were asked for."""
    passed: bool
    """Whether cosine and overlap reach the gates of this precision."""


def compare_precisions(
    reference: Path,
    others: Sequence[Path],
    pictures: NDArray[np.uint8],
    *,
    threads: int = 1,
    stages: Stages,
) -> tuple[PrecisionFigures, ...]:
    """Run exports of one encoder on the same pictures.

    The fp32 export stands in for PyTorch: its own gate keeps it within a cosine of 0.9999 of it.

    Args:
        reference: folder of the fp32 export.
        others: folders of the other exports.
        pictures: real ones, shape (n, 256, 256, 3), uint8; more than `NEIGHBOURS`.
        threads: CPU cores for each.
        stages: told of each export.

    Raises:
        NothingToEvaluate: too few pictures.
        EncoderUnavailable: an export is of other weights or another projection, or the reference is not in fp32.
        ruiji_encoding.manifest.EncoderError: an export is incomplete or damaged.
    """
    if len(pictures) <= NEIGHBOURS:
        raise NothingToEvaluate(f"{len(pictures)} pictures are too few to compare {NEIGHBOURS} neighbours: give more")
    opened = [(folder, *open_encoder(folder, threads=threads)) for folder in (reference, *others)]
    first = opened[0][1]
    if first.precision is not Precision.FP32:
        raise EncoderUnavailable(f"{reference} is in {first.precision}: name the fp32 export first")
    for folder, manifest, _ in opened[1:]:
        _refuse_others(folder, manifest, first)
    rows: list[PrecisionFigures] = []
    expected: NDArray[np.float32] | None = None
    for folder, manifest, encoder in opened:
        with stages.stage(f"Run, {manifest.precision}", len(pictures)) as advance:
            parts = []
            for start in range(0, len(pictures), _AT_ONCE):
                parts.append(encoder.embed(pictures[start : start + _AT_ONCE]))
                advance(len(parts[-1]))
        answered = np.concatenate(parts)
        expected = answered if expected is None else expected
        cosines = np.einsum("nd,nd->n", answered.astype(np.float64), expected.astype(np.float64))
        overlap = neighbour_overlap(expected, answered)
        lowest = float(cosines.min())
        rows.append(
            PrecisionFigures(
                encoder_id=manifest.encoder_id,
                precision=manifest.precision,
                model_bytes=(folder / MODEL_FILE).stat().st_size,
                min_cosine=lowest,
                mean_cosine=float(cosines.mean()),
                overlap=overlap,
                pictures_per_s=_speed(encoder, pictures[:_AT_ONCE]),
                passed=lowest >= MIN_COSINE[manifest.precision] and overlap >= MIN_OVERLAP[manifest.precision],
            )
        )
    return tuple(rows)


def _refuse_others(folder: Path, manifest: EncoderManifest, first: EncoderManifest) -> None:
    same = (manifest.weights_sha256, manifest.projection_sha256) == (first.weights_sha256, first.projection_sha256)
    if not same:
        raise EncoderUnavailable(
            f"{folder} is of other weights or another projection than {first.encoder_id}: precisions are compared "
            "between exports of one encoder; `ruiji eval attributes` compares different ones"
        )


def _speed(encoder: OnnxEncoder, batch: NDArray[np.uint8]) -> float:
    best = float("inf")
    for _ in range(_TIMED_ROUNDS):
        start = time.perf_counter()
        encoder.embed(batch)
        best = min(best, time.perf_counter() - start)
    return len(batch) / best
