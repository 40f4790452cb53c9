"""An encoder that sees colours and layout and no thing: thumbnails of 16 x 16 pixels, projected by PCA.

It is the weak arm of demonstrations, and what any trained encoder must be better than. Its artefact is made like every
other's: one graph from pixels to unit vector, a manifest, parity. It needs no training and no torch.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import numpy as np
import onnx
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

from ruiji_encoder.errors import ParityError
from ruiji_encoder.onnx_session import OnnxEncoder
from ruiji_encoder.projection import FeatureMoments, Projection, fit_projection

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SIDE_PX: Final = 16
"""Of the thumbnail."""
_BLOCK_PX: Final = PICTURE_SIZE_PX // SIDE_PX
_NAME: Final = "raw-pixels"
_OPSET: Final = 17
_IR_VERSION: Final = 8
_BATCH_SIZES: Final = (1, 7, 64)
_MIN_COSINE: Final = 0.9999


def make_pixel_encoder(folder: Path, pictures: NDArray[np.uint8], *, fitted_on: str) -> EncoderManifest:
    """Fit the projection, write the artefact, compare it with NumPy.

    Args:
        folder: where `model.onnx` and `encoder.json` go; made if need be, files of these names are replaced.
        pictures: what the projection is fitted on, shape (n, 256, 256, 3), uint8; 256 or more.
        fitted_on: what they are, for people.

    Raises:
        ProjectionError: too few pictures.
        ParityError: the graph does not do what it should.
    """
    features = thumbnails(pictures)
    moments = FeatureMoments(features.shape[1])
    moments.add(features)
    projection = fit_projection(moments, fitted_on=fitted_on)
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / MODEL_FILE
    onnx.save_model(_graph(projection), model)
    onnx.checker.check_model(model, full_check=True)
    weights = hashlib.sha256(f"average of {_BLOCK_PX} x {_BLOCK_PX} pixels".encode()).hexdigest()
    manifest = EncoderManifest(
        encoder_id=encoder_id_of(
            weights_sha256=weights,
            projection_sha256=projection.sha256(),
            preprocessing=PREPROCESSING,
            precision=Precision.FP32,
        ),
        name=_NAME,
        checkpoint=f"thumbnails of {SIDE_PX} x {SIDE_PX} pixels",
        dimensions=projection.dimensions,
        precision=Precision.FP32,
        preprocessing=PREPROCESSING,
        weights_sha256=weights,
        projection_sha256=projection.sha256(),
        explained_variance=projection.explained_variance,
        fitted_on=fitted_on,
        model_sha256=hashlib.sha256(model.read_bytes()).hexdigest(),
        parity=_parity(OnnxEncoder(model), projection, pictures[: max(_BATCH_SIZES)]),
    )
    write_manifest(folder, manifest)
    return manifest


def thumbnails(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the average colour of each block of pixels.

    Args:
        pictures: RGB, shape (n, 256, 256, 3), uint8.

    Returns:
        Shape (n, 3 * 16 * 16), float32, 0 to 255, channel by channel.
    """
    blocks = pictures.reshape(len(pictures), SIDE_PX, _BLOCK_PX, SIDE_PX, _BLOCK_PX, 3)
    means = blocks.mean(axis=(2, 4), dtype=np.float32)
    features: NDArray[np.float32] = means.transpose(0, 3, 1, 2).reshape(len(pictures), -1)
    return features


def _graph(projection: Projection) -> onnx.ModelProto:
    size = PICTURE_SIZE_PX
    nodes = [
        helper.make_node("Cast", [INPUT_NAME], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["channels_first"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "AveragePool",
            ["channels_first"],
            ["thumbnails"],
            kernel_shape=[_BLOCK_PX, _BLOCK_PX],
            strides=[_BLOCK_PX, _BLOCK_PX],
        ),
        helper.make_node("Flatten", ["thumbnails"], ["features"], axis=1),
        helper.make_node("Sub", ["features", "mean"], ["centred"]),
        helper.make_node("MatMul", ["centred", "matrix"], ["projected"]),
        helper.make_node("LpNormalization", ["projected"], [OUTPUT_NAME], axis=-1, p=2),
    ]
    graph = helper.make_graph(
        nodes,
        _NAME,
        inputs=[helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, ["batch", size, size, 3])],
        outputs=[helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["batch", projection.dimensions])],
        initializer=[
            numpy_helper.from_array(projection.mean, "mean"),
            numpy_helper.from_array(projection.matrix, "matrix"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)


def _parity(encoder: OnnxEncoder, projection: Projection, pictures: NDArray[np.uint8]) -> Parity:
    expected = projection.embed(thumbnails(pictures))
    found = np.concatenate([encoder.embed(pictures[:size]) for size in _BATCH_SIZES])
    wanted = np.concatenate([expected[:size] for size in _BATCH_SIZES])
    lowest = float(np.einsum("nd,nd->n", found, wanted).min())
    if lowest < _MIN_COSINE:
        raise ParityError(f"the graph and NumPy agree to a cosine of {lowest:.6f} only; the limit is {_MIN_COSINE}")
    return Parity(len(pictures), _BATCH_SIZES, lowest, _MIN_COSINE)
