"""From a tower and its projection to an encoder artefact: `model.onnx` and `encoder.json`."""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ruiji_encoding.gates import MIN_COSINE, MIN_OVERLAP, NEIGHBOURS, neighbour_overlap
from ruiji_encoding.manifest import (
    MANIFEST_FILE,
    MODEL_FILE,
    EncoderManifest,
    Parity,
    Precision,
    encoder_id_of,
    write_manifest,
)
from ruiji_encoding.pictures import PREPROCESSING

from ruiji_encoder.checkpoints import weights_sha256
from ruiji_encoder.errors import ExportError, ParityError
from ruiji_encoder.graph import PixelsToUnitVector
from ruiji_encoder.onnx_files import write_onnx
from ruiji_encoder.onnx_session import OnnxEncoder
from ruiji_encoder.parity import BATCH_SIZES, Embedder, measure_parity
from ruiji_encoder.precisions import write_precision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ruiji_encoder.checkpoints import VisionTower
    from ruiji_encoder.projection import Projection
_GATED_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """How to export one encoder."""

    name: str
    """For people; two encoders may share it."""
    checkpoint: str
    """Hub name or folder name that the weights came from, for people."""
    precision: Precision = Precision.FP32
    """Of the tower's matrix products."""
    min_cosine: float | None = None
    """The gate for cosines; by default that of the precision in `gates.MIN_COSINE`."""
    min_overlap: float | None = None
    """The gate for neighbours; by default that of the precision in `gates.MIN_OVERLAP`."""
    parity_batch_sizes: tuple[int, ...] = BATCH_SIZES
    """Batch sizes of the parity gate."""
    gated_on: str = ""
    """What the gate's pictures are, for people."""
    calibrated_on: str = ""
    """What the pictures of the calibration are, for people."""
    replace: bool = False
    """Whether an encoder that is already in the folder may be replaced."""


def export_encoder(
    folder: Path,
    tower: VisionTower,
    projection: Projection,
    pictures: NDArray[np.uint8],
    settings: ExportSettings,
    *,
    calibration: NDArray[np.uint8] | None = None,
) -> EncoderManifest:
    """Export, quantise if asked, measure parity, and only then let the artefact appear.

    Everything is written beside the folder first. `encoder.json` arrives last, so a folder with one is complete.

    Args:
        folder: where `model.onnx` and `encoder.json` go; made if absent, other files in it are left alone.
        tower: as `load_vision_tower` gives it.
        projection: fitted on this tower's features.
        pictures: real ones for the parity gate, shape (n, 256, 256, 3), uint8; as many as the largest batch.
        settings: see there.
        calibration: real pictures for the scales of int8-static, which needs them; others than the gate's, see
            `gate_pictures`.

    Raises:
        ExportError: the folder holds an encoder already, the graph cannot be written, or calibration is missing.
        ParityError: the graph misses its gate; nothing is left behind.
        ProjectionError: the projection belongs to another tower.
    """
    if (folder / MANIFEST_FILE).exists() and not settings.replace:
        raise ExportError(f"{folder} holds an encoder already: choose another folder or allow it to be replaced")
    if tower.config._attn_implementation != "eager":
        raise ExportError("the tower's attention must be eager for export: load it with load_vision_tower")
    module = PixelsToUnitVector(tower, projection)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as name:
        aside = Path(name)
        parity = _write_model(aside, module, pictures, calibration, settings)
        manifest = _manifest(aside / MODEL_FILE, module, projection, parity, settings)
        write_manifest(aside, manifest)
        _publish(aside, folder)
    return manifest


def _write_model(
    folder: Path,
    module: PixelsToUnitVector,
    pictures: NDArray[np.uint8],
    calibration: NDArray[np.uint8] | None,
    settings: ExportSettings,
) -> Parity:
    model = folder / MODEL_FILE
    if settings.precision is Precision.FP32:
        write_onnx(module, model)
    else:
        fp32 = folder / "fp32.onnx"
        write_onnx(module, fp32)
        write_precision(fp32, model, settings.precision, calibration)
    exported = OnnxEncoder(model)
    limit = MIN_COSINE[settings.precision] if settings.min_cosine is None else settings.min_cosine
    parity = measure_parity(module, exported, pictures, min_cosine=limit, batch_sizes=settings.parity_batch_sizes)
    refuse_other_neighbours(module, exported, pictures, settings.precision, settings.min_overlap)
    return dataclasses.replace(parity, measured_on=settings.gated_on)


def refuse_other_neighbours(
    reference: Embedder,
    exported: Embedder,
    pictures: NDArray[np.uint8],
    precision: Precision,
    min_overlap: float | None = None,
) -> None:
    """Compare each picture's nearest others by both embeddings.

    Args:
        reference: as for `measure_parity`.
        exported: as for `measure_parity`.
        pictures: real ones.
        precision: of the export.
        min_overlap: the gate; by default that of the precision.

    Raises:
        ParityError: too few of them stay.
    """
    limit = MIN_OVERLAP[precision] if min_overlap is None else min_overlap
    if len(pictures) <= NEIGHBOURS:
        raise ParityError(f"{len(pictures)} pictures are too few to compare {NEIGHBOURS} neighbours: give more")
    parts = np.array_split(pictures, -(-len(pictures) // _GATED_AT_ONCE))
    expected = np.concatenate([reference.embed(part) for part in parts])
    overlap = neighbour_overlap(expected, np.concatenate([exported.embed(part) for part in parts]))
    if overlap < limit:
        raise ParityError(
            f"the exported graph keeps {overlap:.1%} of each picture's {NEIGHBOURS} nearest others; the limit for "
            f"{precision} is {limit:.0%}. Nothing was written; a higher precision may pass"
        )


def _manifest(
    model: Path, module: PixelsToUnitVector, projection: Projection, parity: Parity, settings: ExportSettings
) -> EncoderManifest:
    weights, projected = weights_sha256(module.tower), projection.sha256()
    with model.open("rb") as file:
        model_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return EncoderManifest(
        encoder_id=encoder_id_of(
            weights_sha256=weights,
            projection_sha256=projected,
            preprocessing=PREPROCESSING,
            precision=settings.precision,
        ),
        name=settings.name,
        checkpoint=settings.checkpoint,
        dimensions=projection.dimensions,
        precision=settings.precision,
        preprocessing=PREPROCESSING,
        weights_sha256=weights,
        projection_sha256=projected,
        explained_variance=projection.explained_variance,
        fitted_on=projection.fitted_on,
        model_sha256=model_sha256,
        parity=parity,
        calibrated_on=settings.calibrated_on if settings.precision is Precision.INT8_STATIC else "",
    )


def _publish(aside: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / MANIFEST_FILE).unlink(missing_ok=True)
    for name in (MODEL_FILE, MANIFEST_FILE):
        (aside / name).replace(folder / name)
