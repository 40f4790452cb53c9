"""Correct the biases of a quantised graph for the mean error of its rounded weights.

Rounded weights shift the mean of what a layer gives, since inputs behind ReLU are never negative and errors of one sign
add up. The shift is known beforehand and the bias takes it back, at no cost in speed or size: Nagel et al. (2019),
"Data-Free Quantization Through Weight Equalization and Bias Correction", with means measured on pictures. A layer is
linear, so the mean of its error over all pictures is its error at the mean of its inputs, padding included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    Tensors = Mapping[str, TensorProto]


def correct_biases(
    quantised: onnx.ModelProto, fp32: onnx.ModelProto, batches: Iterable[Mapping[str, NDArray[np.uint8]]]
) -> None:
    """Change the biases of a quantised graph in place.

    Args:
        quantised: in QDQ form, nodes named as in `fp32`. Layers without a bias of their own stay as they are.
        fp32: what it was made from.
        batches: real pictures by the name of the graph's input, first axis the pictures.
    """
    weights, stored = _initializers(fp32), _initializers(quantised)
    maker = {output: node for node in quantised.graph.node for output in node.output}
    named = {node.name: node for node in quantised.graph.node}
    rounded: dict[str, onnx.NodeProto] = {}
    biases: dict[str, str] = {}
    for node in fp32.graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul") and node.input[1] in weights and node.name in named:
            source = maker.get(named[node.name].input[1])
            bias = _bias(node, fp32.graph, weights)
            if source is not None and source.op_type == "DequantizeLinear" and bias is not None:
                rounded[node.name], biases[node.name] = source, bias
    layers = [node for node in fp32.graph.node if node.name in rounded]
    if not layers:
        return
    means = _mean_inputs(fp32, layers, weights, batches)
    for node in layers:
        error = _dequantised(rounded[node.name], stored) - numpy_helper.to_array(weights[node.input[1]])
        shift = _mean_output(node, means[node.input[0]], error, fp32)
        # Conv and Gemm read their bias through a DequantizeLinear; that of a MatMul is added behind it in fp32.
        through = maker.get(named[node.name].input[2]) if len(node.input) > 2 else None
        _take_off(shift, stored[through.input[0] if through else biases[node.name]], through, stored)


def _initializers(model: onnx.ModelProto) -> Tensors:
    return {tensor.name: tensor for tensor in model.graph.initializer}


def _bias(node: onnx.NodeProto, graph: onnx.GraphProto, weights: Tensors) -> str | None:
    """Return the name of a layer's bias, None if it has none or shares it."""
    name = ""
    if len(node.input) > 2:
        name = node.input[2]
    elif node.op_type == "MatMul":
        readers = [other for other in graph.node if node.output[0] in other.input]
        if len(readers) == 1 and readers[0].op_type == "Add":
            name = next((name for name in readers[0].input if name in weights), "")
    if name not in weights or len(weights[name].dims) != 1:
        return None
    return name if sum(name in other.input for other in graph.node) == 1 else None


def _mean_inputs(
    model: onnx.ModelProto,
    layers: Sequence[onnx.NodeProto],
    weights: Tensors,
    batches: Iterable[Mapping[str, NDArray[np.uint8]]],
) -> dict[str, NDArray[np.float32]]:
    """Return the mean of each layer's input: over pictures for Conv, over pictures and tokens for the others."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    probe.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.int64), "first_axis"))
    layer_of = {node.input[0]: node for node in layers}
    for name, node in layer_of.items():
        rows = name
        if node.op_type == "MatMul":
            rows, shape = f"{name}.rows", f"{name}.shape"
            width = weights[node.input[1]].dims[0]
            probe.graph.initializer.append(numpy_helper.from_array(np.array([-1, width], np.int64), shape))
            probe.graph.node.append(helper.make_node("Reshape", [name, shape], [rows]))
        probe.graph.node.append(helper.make_node("ReduceMean", [rows, "first_axis"], [f"{name}.mean"], keepdims=1))
        probe.graph.output.append(helper.make_tensor_value_info(f"{name}.mean", TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    sums = [np.zeros(1)] * len(layer_of)
    pictures = 0
    for batch in batches:
        number = len(next(iter(batch.values())))
        means = session.run(None, batch)
        sums = [before + number * mean.astype(np.float64) for before, mean in zip(sums, means, strict=True)]
        pictures += number
    return {name: (total / pictures).astype(np.float32) for name, total in zip(layer_of, sums, strict=True)}


def _dequantised(source: onnx.NodeProto, stored: Tensors) -> NDArray[np.float32]:
    """Return the weights that a DequantizeLinear gives, scaled per channel, symmetric."""
    values, scale = (numpy_helper.to_array(stored[name]) for name in source.input[:2])
    shape = [1] * values.ndim
    if scale.ndim:
        shape[next((each.i for each in source.attribute if each.name == "axis"), 1)] = -1
    return np.multiply(values, scale.reshape(shape), dtype=np.float32)


def _mean_output(
    node: onnx.NodeProto, inputs: NDArray[np.float32], weights: NDArray[np.float32], model: onnx.ModelProto
) -> NDArray[np.float32]:
    """Run one layer alone, with these weights and no bias; return the mean of each output channel."""
    alone = onnx.NodeProto()
    alone.CopyFrom(node)
    del alone.input[2:]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in (*alone.input, *alone.output)]
    graph = helper.make_graph([alone], "layer", ends[:2], ends[2:])
    layer = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    session = onnxruntime.InferenceSession(layer.SerializeToString(), providers=["CPUExecutionProvider"])
    (output,) = session.run(None, dict(zip(alone.input, (inputs, weights), strict=True)))
    channels = np.moveaxis(np.asarray(output, np.float32), 1 if node.op_type == "Conv" else -1, 0)
    return np.asarray(channels.reshape(len(channels), -1).mean(axis=1))


def _take_off(shift: NDArray[np.float32], bias: TensorProto, through: onnx.NodeProto | None, stored: Tensors) -> None:
    """Subtract it from a bias, in steps of its scale where it is stored in integers."""
    values = numpy_helper.to_array(bias)
    if through is None:
        changed = values - shift
    else:
        scale = numpy_helper.to_array(stored[through.input[1]]).astype(np.float64)
        changed = values - np.rint(shift / scale).astype(values.dtype)
    bias.CopyFrom(numpy_helper.from_array(changed, bias.name))
