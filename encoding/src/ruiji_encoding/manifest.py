"""The encoder artefact: a folder with one ONNX graph and the manifest that says what it is.

The encoder id is a contract. It is a hash over weights, preprocessing, projection and precision, carried by every
embedding, generation, Triton model and answer, so that vectors of two encoders are never compared.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import MISSING, asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

FORMAT_VERSION = 1
MANIFEST_FILE = "encoder.json"
MODEL_FILE = "model.onnx"

INPUT_NAME = "pixels"
"""Graph input: RGB pixels, shape (batch, 256, 256, 3), uint8."""

OUTPUT_NAME = "unit_vector"
"""Graph output: embedding, shape (batch, dimensions), float32, unit length."""


class Precision(StrEnum):
    """Numeric format of the tower's matrix products; projection and norms are float32 in each."""

    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"
    """Weights in bfloat16, products in float32."""
    INT8 = "int8"
    """Activations scaled at run time."""
    INT8_STATIC = "int8-static"
    """Activations scaled by what was calibrated on real pictures."""


class EncoderError(ValueError):
    """An encoder artefact that cannot be used; the message names the file and what to do."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How close the exported graph comes to the PyTorch model in fp32, measured when it was exported."""

    pictures: int
    """Number of real pictures compared."""
    batch_sizes: tuple[int, ...]
    """Batch sizes that were run."""
    min_cosine: float
    """Lowest cosine between the two embeddings of one picture."""
    limit: float
    """The export would have failed below this cosine."""
    measured_on: str = ""
    """What the pictures were, for people; empty in artefacts from before it was noted."""


@dataclass(frozen=True, slots=True)
class EncoderManifest:
    """What an encoder is, as written in `encoder.json`."""

    encoder_id: str
    """`enc-` and 16 hex digits, see `encoder_id_of`."""
    name: str
    """For people; two encoders may share it."""
    checkpoint: str
    """The hub name or folder name that the weights came from."""
    dimensions: int
    """Length of the embedding."""
    precision: Precision
    preprocessing: str
    """`ruiji_encoding.pictures.PREPROCESSING` of the code that exported it."""
    weights_sha256: str
    """Over the vision tower's fp32 weights, before any quantisation."""
    projection_sha256: str
    """Over mean and projection matrix, float32."""
    explained_variance: float
    """Share of variance that the projection keeps, 0 to 1."""
    fitted_on: str
    """What the projection was fitted on, for people."""
    model_sha256: str
    """Over the bytes of `model.onnx`."""
    parity: Parity
    calibrated_on: str = ""
    """What the scales of int8-static were taken from, for people; empty where there is nothing to calibrate."""

    def __post_init__(self) -> None:
        expected = encoder_id_of(
            weights_sha256=self.weights_sha256,
            projection_sha256=self.projection_sha256,
            preprocessing=self.preprocessing,
            precision=self.precision,
        )
        if self.encoder_id != expected:
            raise EncoderError(
                f"encoder id {self.encoder_id!r} does not follow from the manifest's own hashes, which give "
                f"{expected!r}: the manifest was edited; export the encoder again"
            )


def encoder_id_of(*, weights_sha256: str, projection_sha256: str, preprocessing: str, precision: Precision) -> str:
    """Return the id of the encoder with these parts: `enc-` and the first 16 hex digits of a SHA-256."""
    parts = {
        "weights": weights_sha256,
        "projection": projection_sha256,
        "preprocessing": preprocessing,
        "precision": str(precision),
    }
    return "enc-" + hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def write_manifest(folder: Path, manifest: EncoderManifest) -> None:
    """Write `encoder.json` into the folder, which holds the model already."""
    text = json.dumps({"format_version": FORMAT_VERSION, **asdict(manifest)}, indent=2, ensure_ascii=False)
    (folder / MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path, *, verify_model: bool = True) -> EncoderManifest:
    """Read and check an encoder artefact.

    Args:
        folder: holds `encoder.json` and `model.onnx`.
        verify_model: compare the model's checksum too; costs one read of the file.

    Raises:
        EncoderError: a file is missing, damaged, of another format, or the two do not belong together.
    """
    path = folder / MANIFEST_FILE
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise EncoderError(f"{path} is missing: an encoder is a folder made by `ruiji encoder export`") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise EncoderError(f"{path} is not JSON: export the encoder again") from error
    manifest = _parse(raw, path)
    if verify_model:
        model = folder / MODEL_FILE
        try:
            with model.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError as error:
            raise EncoderError(f"{model} is missing: export the encoder again") from error
        if digest != manifest.model_sha256:
            raise EncoderError(f"{model} is damaged: its checksum is not the one in {path}; export the encoder again")
    return manifest


def _parse(raw: Any, path: Path) -> EncoderManifest:  # noqa: ANN401  (JSON can be anything until it is checked)
    if not isinstance(raw, dict) or raw.get("format_version") != FORMAT_VERSION:
        found = raw.get("format_version") if isinstance(raw, dict) else None
        raise EncoderError(f"{path} has format version {found}; this release reads {FORMAT_VERSION}")
    known = {field.name for field in fields(EncoderManifest)} | {"format_version"}
    required = {field.name for field in fields(EncoderManifest) if field.default is MISSING} | {"format_version"}
    if not required <= set(raw) <= known:
        wrong = sorted((required - set(raw)) | (set(raw) - known))
        raise EncoderError(f"{path} has missing or unknown keys: {wrong}")
    try:
        parity = Parity(**{**raw["parity"], "batch_sizes": tuple(raw["parity"]["batch_sizes"])})
        precision = Precision(raw["precision"])
    except (KeyError, TypeError, ValueError) as error:
        raise EncoderError(f"{path} is damaged ({error}): export the encoder again") from error
    values = {name: value for name, value in raw.items() if name != "format_version"}
    return EncoderManifest(**{**values, "parity": parity, "precision": precision})
