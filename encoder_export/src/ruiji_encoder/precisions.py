"""Exports of lower precision, each made from the fp32 file: fp16, bf16 and int8, the last in two ways.

Whatever the precision, pixels are normalised, features projected and vectors scaled to unit length in fp32; so are the
layer norms of the tower, since squares overflow fp16 first.

- fp16: the tower's tensors and products. For processors that have them; ONNX Runtime on x86 computes in fp32 and casts.
- bf16: the tower's weights are stored in bfloat16 and its products computed in fp32. Half the file, loads everywhere.
- int8: weights in int8, activations scaled by what is in the batch; nothing to calibrate.
- int8-static: weights and activations in int8, by scales calibrated on real pictures (QDQ, which TensorRT reads too),
  biases corrected on the same pictures.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.quant_utils import add_pre_process_metadata
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel
from ruiji_encoding.manifest import INPUT_NAME, Precision

from ruiji_encoder.bias_correction import correct_biases
from ruiji_encoder.errors import ExportError
from ruiji_encoder.onnx_files import check_onnx, quantise_onnx

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_MEAN, _MATRIX = "mean", "matrix"
"""Names of the projection's initializers, from the attributes of `PixelsToUnitVector`."""

_CALIBRATED_AT_ONCE = 4

_IN_FP32 = 8
"""First convolutions of a backbone that int8-static leaves as they are: with corrected biases, the mean cosine of an
EfficientNet-Lite0 trained on fashion listings is 0.9970 with none of them and 0.9992 with eight."""


def write_precision(
    source: Path, target: Path, precision: Precision, calibration: NDArray[np.uint8] | None = None
) -> None:
    """Write an fp32 export again in another precision, and check the file.

    Args:
        source: as `onnx_files.write_onnx` writes it.
        target: the file to write.
        precision: not fp32.
        calibration: real pictures, shape (n, 256, 256, 3), uint8; only int8-static looks at them, for scales and
            biases, and needs them.

    Raises:
        ExportError: the graph is not as expected, the file does not check, or there is nothing to calibrate on.
    """
    if precision is Precision.FP16:
        _write_fp16(source, target)
    elif precision is Precision.BF16:
        _write_bf16(source, target)
    elif precision is Precision.INT8:
        if _is_convolutional(onnx.load(source)):
            raise ExportError(
                "int8 scales matrix products at run time, and this tower is made of convolutions: take int8-static"
            )
        with _quiet_quantiser():
            quantise_onnx(source, target)
    elif precision is Precision.INT8_STATIC:
        _write_static_int8(source, target, calibration)
    else:
        raise ExportError(f"{precision} is what the export starts from; there is nothing to write")


def _write_fp16(source: Path, target: Path) -> None:
    model = onnx.load(source)
    converted = convert_float_to_float16(
        model,
        keep_io_types=True,
        # A cast that is converted casts to the wrong type, and the file does not load.
        op_block_list=[*DEFAULT_OP_BLOCK_LIST, "Cast", "LayerNormalization"],
        node_block_list=sorted(outside_tower(model)),
    )
    # It writes a cast for each node that needs one, under one name, and behind those nodes; and notes the wrong types.
    nodes = list(converted.graph.node)
    maker = {node.output[0]: node for node in nodes}
    once = [node for node in nodes if maker[node.output[0]] is node]
    del converted.graph.node[:], converted.graph.value_info[:]
    converted.graph.node.extend(_without_round_trips(once, converted.graph))
    OnnxModel(converted).topological_sort(is_deterministic=True)
    _save(converted, target)


def _without_round_trips(nodes: Sequence[onnx.NodeProto], graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Hand fp32 from node to node as it is, where the converter rounds it to fp16 in between or casts it to itself."""
    in_fp32 = {tensor.name: tensor.name for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT}
    # What is cast to fp16 was fp32 before.
    in_fp32 |= {node.output[0]: node.input[0] for node in nodes if _casts_to(node, TensorProto.FLOAT16)}
    outputs = {output.name for output in graph.output}
    instead: dict[str, str] = {}
    kept = []
    for node in nodes:
        if _casts_to(node, TensorProto.FLOAT) and node.input[0] in in_fp32:
            if node.output[0] not in outputs:
                instead[node.output[0]] = in_fp32[node.input[0]]
                continue
            node.CopyFrom(helper.make_node("Identity", [in_fp32[node.input[0]]], [node.output[0]], node.name))
        kept.append(node)
    for node in kept:
        for place, name in enumerate(node.input):
            node.input[place] = instead.get(name, name)
    used = outputs.union(*(node.input for node in kept))
    return [node for node in kept if used.intersection(node.output)]


def _casts_to(node: onnx.NodeProto, kind: int) -> bool:
    return node.op_type == "Cast" and node.attribute[0].i == kind


def _write_bf16(source: Path, target: Path) -> None:
    model = onnx.load(source)
    casts = []
    for weight in list(model.graph.initializer):
        # Biases and norms are small; rounding them saves nothing.
        if weight.data_type != TensorProto.FLOAT or len(weight.dims) < 2 or weight.name == _MATRIX:
            continue
        rounded = helper.make_tensor(
            f"{weight.name}.bf16",
            TensorProto.BFLOAT16,
            weight.dims,
            bfloat16_bytes(numpy_helper.to_array(weight)),
            raw=True,
        )
        casts.append(
            helper.make_node("Cast", [rounded.name], [weight.name], f"{weight.name}.cast", to=TensorProto.FLOAT)
        )
        model.graph.initializer.remove(weight)
        model.graph.initializer.append(rounded)
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    _save(model, target)


def bfloat16_bytes(values: NDArray[np.float32]) -> bytes:
    """Round to the nearest bfloat16, ties to even: the upper half of a float32's bits."""
    bits = np.ascontiguousarray(values, dtype="<f4").view("<u4").astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return rounded.astype("<u2").tobytes()


class _Batches(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Hands pictures to the calibrator."""

    def __init__(self, pictures: NDArray[np.uint8]) -> None:
        self._batches = iter(
            {INPUT_NAME: pictures[start : start + _CALIBRATED_AT_ONCE]}
            for start in range(0, len(pictures), _CALIBRATED_AT_ONCE)
        )

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        return next(self._batches, None)


def _write_static_int8(source: Path, target: Path, calibration: NDArray[np.uint8] | None) -> None:
    if calibration is None or len(calibration) == 0:
        raise ExportError(
            "int8-static takes its scales from real pictures other than the gate's, and there are none: give a set "
            "with more pictures"
        )
    model = onnx.shape_inference.infer_shapes(onnx.load(source))
    # What this mark asks for has just been done; without it the quantiser logs a warning on the root logger.
    add_pre_process_metadata(model)
    convolutional = _is_convolutional(model)
    # Clip belongs to the convolution before it: fixed scales over what ReLU6 cuts away took a cosine of 0.94 to 0.3.
    kinds = ["MatMul", "Gemm", *(["Conv", "Clip"] if convolutional else [])]
    # Fixed scales ruin attention's products too: with them, cosines of a small tower fell to -0.2 from 0.999.
    kept = outside_tower(model) | (_first_convolutions(model) if convolutional else _attention(model))
    with _quiet_quantiser():
        quantize_static(
            model,
            target,
            _Batches(calibration),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=kinds,
            per_channel=True,
            # As for int8: 7 bits never overflow where there is no VNNI.
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=sorted(kept),
        )
    quantised = onnx.load(target)
    # The quantiser has moved the weights of its model to a file that is gone.
    correct_biases(quantised, onnx.load(source), _Batches(calibration))
    _save(quantised, target)


@contextlib.contextmanager
def _quiet_quantiser() -> Iterator[None]:
    # It tells the root logger of every product that it leaves alone and every scale that it widens for a bias.
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(before)


def _is_convolutional(model: onnx.ModelProto) -> bool:
    """Tell a backbone from a vision transformer, whose only convolution cuts the patches."""
    return sum(node.op_type == "Conv" for node in model.graph.node) > 1


def _first_convolutions(model: onnx.ModelProto) -> set[str]:
    """Return the names of the stem and its next, whose few channels differ too much in range for one scale."""
    return {node.name for node in [node for node in model.graph.node if node.op_type == "Conv"][:_IN_FP32]}


def _attention(model: onnx.ModelProto) -> set[str]:
    """Return the names of the products of activations with each other."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return {node.name for node in model.graph.node if node.op_type == "MatMul" and node.input[1] not in weights}


def outside_tower(model: onnx.ModelProto) -> set[str]:
    """Return the names of the nodes before the patch embedding, and from the projection on."""
    graph = model.graph
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    projections = [node for node in graph.node if _MEAN in node.input]
    if not convolutions or len(projections) != 1:
        raise ExportError(
            f"expected a patch embedding or a stem, and one projection in the graph, found {len(convolutions)} and "
            f"{len(projections)}"
        )
    maker = {output: node for node in graph.node for output in node.output}
    before: set[str] = set()
    # Nodes of a graph are in the order of their dependence, so this is the patch embedding or a backbone's stem.
    waiting = list(convolutions[0].input)
    while waiting:
        node = maker.get(waiting.pop())
        if node is not None and node.name not in before:
            before.add(node.name)
            waiting.extend(node.input)
    return before | _downstream(graph.node, projections[0])


def _downstream(nodes: Iterable[onnx.NodeProto], first: onnx.NodeProto) -> set[str]:
    names, reached = {first.name}, set(first.output)
    for node in nodes:
        if reached.intersection(node.input):
            names.add(node.name)
            reached.update(node.output)
    return names


def _save(model: onnx.ModelProto, target: Path) -> None:
    del model.metadata_props[:]
    onnx.save_model(model, target)
    check_onnx(target)
