"""From an fp32 encoder artefact to a gated TensorRT engine and the manifest that belongs to it."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

import onnx
from ruiji_encoding.gates import MIN_COSINE
from ruiji_encoding.manifest import MODEL_FILE, EncoderManifest, Parity, Precision, encoder_id_of

from ruiji_encoder.errors import ExportError
from ruiji_encoder.export import refuse_other_neighbours
from ruiji_encoder.onnx_session import open_encoder
from ruiji_encoder.parity import BATCH_SIZES, measure_parity
from ruiji_encoder.tensorrt.engine import EngineEncoder, EngineSettings, build_engine, load_tensorrt
from ruiji_encoder.tensorrt.precision_plan import LayerPrecision, plan_precisions
from ruiji_encoder.tensorrt.typed_graph import with_planned_types

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


def build_gated_engine(
    encoder: Path,
    precision: Precision,
    pictures: NDArray[np.uint8],
    settings: EngineSettings,
    *,
    gated_on: str = "",
    timing_cache: Path | None = None,
) -> tuple[EncoderManifest, bytes]:
    """Plan precisions, build, and compare the engine's own answers with the fp32 graph's.

    Args:
        encoder: folder of an fp32 export.
        precision: of the tower: fp32, fp16 or bf16.
        pictures: real ones for the gate, as many as the largest batch.
        settings: of the build.
        gated_on: what the pictures are, for people.
        timing_cache: see `build_engine`.

    Returns:
        The manifest of the encoder in this precision, and the engine.

    Raises:
        ruiji_encoding.manifest.EncoderError: the artefact is incomplete or damaged.
        ExportError: it is no fp32 export, TensorRT cannot be had here, or cannot build it.
        ParityError: the engine misses the gate of its precision.
    """
    if str(precision) not in set(LayerPrecision):
        raise ExportError(f"an engine is built in {', '.join(LayerPrecision)}, not in {precision}")
    manifest, reference = open_encoder(encoder)
    if manifest.precision is not Precision.FP32:
        raise ExportError(f"{encoder} is an export in {manifest.precision}: an engine is built from the fp32 export")
    load_tensorrt()
    graph = onnx.load(encoder / MODEL_FILE)
    typed = with_planned_types(graph, plan_precisions(graph, LayerPrecision(precision)))
    plan = build_engine(typed.SerializeToString(), settings, timing_cache)
    engine = EngineEncoder(plan, manifest.dimensions)
    sizes = tuple(size for size in BATCH_SIZES if settings.smallest_batch <= size <= settings.largest_batch)
    parity = measure_parity(reference, engine, pictures, min_cosine=MIN_COSINE[precision], batch_sizes=sizes)
    refuse_other_neighbours(reference, engine, pictures, precision)
    parity = dataclasses.replace(parity, measured_on=gated_on)
    return engine_manifest(manifest, precision, plan, parity), plan


def engine_manifest(manifest: EncoderManifest, precision: Precision, plan: bytes, parity: Parity) -> EncoderManifest:
    """Return the manifest of an engine: the encoder's own, with the precision, the id that follows, and the gate."""
    return dataclasses.replace(
        manifest,
        encoder_id=encoder_id_of(
            weights_sha256=manifest.weights_sha256,
            projection_sha256=manifest.projection_sha256,
            preprocessing=manifest.preprocessing,
            precision=precision,
        ),
        precision=precision,
        model_sha256=hashlib.sha256(plan).hexdigest(),
        parity=parity,
    )
