"""A real encoder artefact that is made in milliseconds: ONNX graph, manifest and checksums, but no learned weights.

Its embedding is the picture's colours on a 16 x 16 grid, put through a fixed random projection to 128 dimensions and
L2-normalised. Random projections nearly keep angles, so pictures with alike colours in alike places get a high cosine,
and a small change of the picture is a small change of the embedding.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from ruiji_encoding.manifest import (
    INPUT_NAME,
    MODEL_FILE,
    OUTPUT_NAME,
    EncoderManifest,
    Parity,
    Precision,
    encoder_id_of,
    write_manifest,
)
from ruiji_encoding.pictures import PICTURE_SIZE_PX, PREPROCESSING

DIMENSIONS = 128
GRID = 16
CELL_PX = PICTURE_SIZE_PX // GRID
OPSET = 20
IR_VERSION = 10


def write_tiny_encoder(folder: Path, seed: int = 0) -> EncoderManifest:
    """Write `model.onnx` and `encoder.json` into the folder, which is made if need be.

    Args:
        folder: where the artefact goes; existing files of these names are replaced.
        seed: of the random projection. Two seeds are two encoders, with different ids.
    """
    projection = projection_of(seed)
    return write_artefact(folder, tiny_graph(projection), projection, name=f"tiny-{seed}")


def write_artefact(
    folder: Path, graph: onnx.ModelProto, projection: NDArray[np.float32], *, name: str
) -> EncoderManifest:
    """Write a graph with a manifest that fits; tests of faulty graphs use it as well."""
    folder.mkdir(parents=True, exist_ok=True)
    model = graph.SerializeToString()
    (folder / MODEL_FILE).write_bytes(model)
    parts = {
        # There is no tower; what stands for its weights is the grid.
        "weights_sha256": hashlib.sha256(f"mean colours of a {GRID} x {GRID} grid".encode()).hexdigest(),
        "projection_sha256": hashlib.sha256(projection.tobytes()).hexdigest(),
        "preprocessing": PREPROCESSING,
    }
    manifest = EncoderManifest(
        encoder_id=encoder_id_of(precision=Precision.FP32, **parts),
        name=name,
        checkpoint="none",
        dimensions=DIMENSIONS,
        precision=Precision.FP32,
        explained_variance=1.0,
        fitted_on="nothing: a random projection",
        model_sha256=hashlib.sha256(model).hexdigest(),
        # Not an export, so there was nothing to compare with.
        parity=Parity(pictures=0, batch_sizes=(), min_cosine=1.0, limit=1.0),
        **parts,
    )
    write_manifest(folder, manifest)
    return manifest


def projection_of(seed: int) -> NDArray[np.float32]:
    """Return the projection, shape (768, 128): one row for each colour channel of each grid cell."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(GRID * GRID * 3, DIMENSIONS)).astype(np.float32)


def tiny_embedding(pixels: NDArray[np.uint8], seed: int = 0) -> NDArray[np.float32]:
    """Return what the graph returns, by NumPy: (batch, 256, 256, 3) to unit rows of shape (batch, 128)."""
    cells = pixels.reshape(-1, GRID, CELL_PX, GRID, CELL_PX, 3).mean(axis=(2, 4), dtype=np.float64)
    projected = (cells.reshape(len(pixels), -1) - 127.5) @ projection_of(seed)
    unit: NDArray[np.float32] = (projected / np.linalg.norm(projected, axis=1, keepdims=True)).astype(np.float32)
    return unit


def tiny_graph(projection: NDArray[np.float32], *, opset: int = OPSET, ir_version: int = IR_VERSION) -> onnx.ModelProto:
    """Build the graph; `opset` and `ir_version` are for tests of who refuses what."""
    constants: dict[str, NDArray[Any]] = {
        "cells": np.array([-1, GRID, CELL_PX, GRID, CELL_PX, 3], dtype=np.int64),
        "inside_cell": np.array([2, 4], dtype=np.int64),
        "flat": np.array([-1, GRID * GRID * 3], dtype=np.int64),
        # Middle grey as origin lets cosines spread; no uint8 picture lies exactly on it, so no norm is zero.
        "middle_grey": np.array(127.5, dtype=np.float32),
        "projection": projection,
    }
    nodes = [
        helper.make_node("Cast", [INPUT_NAME], ["colours"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["colours", "cells"], ["gridded"]),
        helper.make_node("ReduceMean", ["gridded", "inside_cell"], ["means"], keepdims=0),
        helper.make_node("Reshape", ["means", "flat"], ["features"]),
        helper.make_node("Sub", ["features", "middle_grey"], ["centred"]),
        helper.make_node("MatMul", ["centred", "projection"], ["projected"]),
        helper.make_node("LpNormalization", ["projected"], [OUTPUT_NAME], axis=-1, p=2),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny_encoder",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, ["batch", PICTURE_SIZE_PX, PICTURE_SIZE_PX, 3])],
        [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["batch", DIMENSIONS])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)
    onnx.checker.check_model(model)
    return model
