"""What a precision costs and what it gains: one encoder's exports beside their fp32 model, on real pictures.

Two questions, one table. `precision_trials` asks before anything is exported: which precisions keep this model?
`compare_precisions` asks of finished exports, on whatever pictures, and needs neither checkpoint nor torch.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ruiji_encoder.onnx_session import OnnxEncoder, open_encoder
from ruiji_encoding.gates import MIN_COSINE, MIN_OVERLAP, NEIGHBOURS, neighbour_overlap
from ruiji_encoding.manifest import MODEL_FILE, EncoderManifest, Precision

from ruiji_evaluation.errors import EncoderUnavailable, NothingToEvaluate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from ruiji_encoder.parity import Embedder

    from ruiji_evaluation.progress import Stages

_AT_ONCE = 8
_TIMED_ROUNDS = 7

TIMED_BATCHES = (1, 8)
"""Pictures in a batch: what one request brings, and what a batching server makes of several."""


@dataclass(frozen=True, slots=True)
class PrecisionFigures:
    """One row of the table."""

    precision: Precision
    """Of its products."""
    model_bytes: int
    """Size of `model.onnx`."""
    min_cosine: float
    """Lowest cosine to the reference's embedding of the same picture."""
    mean_cosine: float
    """Mean of those."""
    overlap: float
    """Mean share of each picture's nearest others that stay."""
    pictures_per_s: dict[int, float]
    """By the size of the batch; the best of a few rounds, in which all precisions take turns."""
    min_cosine_limit: float
    """The gate for the lowest cosine, see `ruiji_encoding.gates`."""
    min_overlap_limit: float
    """The gate for the neighbours."""

    @property
    def passed(self) -> bool:
        """Whether cosine and overlap reach the gates."""
        return self.min_cosine >= self.min_cosine_limit and self.overlap >= self.min_overlap_limit


@dataclass(frozen=True, slots=True)
class PrecisionTable:
    """All rows, and what they were measured with."""

    encoder: str
    """What was exported, for people."""
    reference: str
    """What the cosines are to, for people."""
    measured_on: str
    """The pictures, for people."""
    calibrated_on: str
    """What the scales of int8-static were taken from, for people; empty where it is not known or there are none."""
    threads: int
    """CPU cores that each export had."""
    rows: tuple[PrecisionFigures, ...]
    """In the order in which they were asked for."""
    not_written: dict[Precision, str]
    """Precisions that this architecture cannot be written in, and why."""


def compare_precisions(
    reference: Path,
    others: Sequence[Path],
    pictures: NDArray[np.uint8],
    *,
    measured_on: str,
    threads: int = 1,
    stages: Stages,
) -> PrecisionTable:
    """Run finished exports of one encoder on the same pictures.

    The fp32 export stands in for PyTorch: its own gate keeps it within a cosine of 0.9999 of it.

    Args:
        reference: folder of the fp32 export.
        others: folders of the other exports.
        pictures: real ones, shape (n, 256, 256, 3), uint8; more than `NEIGHBOURS`.
        measured_on: what they are, for people.
        threads: CPU cores for each.
        stages: told of each export.

    Raises:
        NothingToEvaluate: too few pictures.
        EncoderUnavailable: an export is of other weights or another projection, or the reference is not in fp32.
        ruiji_encoding.manifest.EncoderError: an export is incomplete or damaged.
    """
    refuse_few(len(pictures))
    opened = [(folder, *open_encoder(folder, threads=threads)) for folder in (reference, *others)]
    _, first, fp32 = opened[0]
    if first.precision is not Precision.FP32:
        raise EncoderUnavailable(f"{reference} is in {first.precision}: name the fp32 export first")
    for folder, manifest, _ in opened[1:]:
        _refuse_others(folder, manifest, first)
    expected = embed(fp32, pictures, "Run, the reference", stages)
    calibrated = dict.fromkeys(manifest.calibrated_on for _, manifest, _ in opened if manifest.calibrated_on)
    return PrecisionTable(
        encoder=f"{first.name} ({first.encoder_id})",
        reference="the fp32 export",
        measured_on=measured_on,
        calibrated_on="; ".join(calibrated),
        threads=threads,
        rows=measure(
            [(manifest.precision, folder / MODEL_FILE) for folder, manifest, _ in opened],
            pictures,
            expected,
            threads,
            stages,
        ),
        not_written={},
    )


def measure(
    models: Sequence[tuple[Precision, Path]],
    pictures: NDArray[np.uint8],
    expected: NDArray[np.float32],
    threads: int,
    stages: Stages,
) -> tuple[PrecisionFigures, ...]:
    """Run models on pictures.

    Args:
        models: files, and what they are.
        pictures: as for `compare_precisions`.
        expected: the reference's embeddings of them, shape (n, d), float32.
        threads: CPU cores for each.
        stages: told of each model.
    """
    encoders = [OnnxEncoder(path, threads=threads) for _, path in models]
    answers = [
        embed(encoder, pictures, f"Run, {precision}", stages)
        for encoder, (precision, _) in zip(encoders, models, strict=True)
    ]
    speeds = _speeds(encoders, pictures, stages)
    rows = []
    for (precision, path), answered, pictures_per_s in zip(models, answers, speeds, strict=True):
        cosines = np.einsum("nd,nd->n", answered.astype(np.float64), expected.astype(np.float64))
        rows.append(
            PrecisionFigures(
                precision=precision,
                model_bytes=path.stat().st_size,
                min_cosine=float(cosines.min()),
                mean_cosine=float(cosines.mean()),
                overlap=neighbour_overlap(expected, answered),
                pictures_per_s=pictures_per_s,
                min_cosine_limit=MIN_COSINE[precision],
                min_overlap_limit=MIN_OVERLAP[precision],
            )
        )
    return tuple(rows)


def embed(encoder: Embedder, pictures: NDArray[np.uint8], stage: str, stages: Stages) -> NDArray[np.float32]:
    """Embed pictures, in batches of eight; shapes as for `ruiji_encoder.parity.Embedder.embed`."""
    parts = []
    with stages.stage(stage, len(pictures)) as advance:
        for start in range(0, len(pictures), _AT_ONCE):
            parts.append(encoder.embed(pictures[start : start + _AT_ONCE]))
            advance(len(parts[-1]))
    return np.concatenate(parts)


def _speeds(encoders: Sequence[OnnxEncoder], pictures: NDArray[np.uint8], stages: Stages) -> list[dict[int, float]]:
    best = [dict.fromkeys(TIMED_BATCHES, 0.0) for _ in encoders]
    with stages.stage("Time, in turns", _TIMED_ROUNDS) as advance:
        for _ in range(_TIMED_ROUNDS):
            # In turns, so that whatever else the machine does falls on all alike.
            for encoder, speeds in zip(encoders, best, strict=True):
                for batch in TIMED_BATCHES:
                    start = time.perf_counter()
                    encoder.embed(pictures[:batch])
                    speeds[batch] = max(speeds[batch], batch / (time.perf_counter() - start))
            advance(1)
    return best


def refuse_few(pictures: int) -> None:
    """Refuse pictures that are too few to have as many neighbours as are compared.

    Raises:
        NothingToEvaluate: they are.
    """
    if pictures <= NEIGHBOURS:
        raise NothingToEvaluate(f"{pictures} pictures are too few to compare {NEIGHBOURS} neighbours: give more")


def _refuse_others(folder: Path, manifest: EncoderManifest, first: EncoderManifest) -> None:
    same = (manifest.weights_sha256, manifest.projection_sha256) == (first.weights_sha256, first.projection_sha256)
    if not same:
        raise EncoderUnavailable(
            f"{folder} is of other weights or another projection than {first.encoder_id}: precisions are compared "
            "between exports of one encoder; `ruiji eval attributes` compares different ones"
        )
