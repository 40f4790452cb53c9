"""Biases that take back what rounding the weights did to the mean, against layers run with both kinds of weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from ruiji_encoder.bias_correction import correct_biases

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 6), dtype=np.uint8)
LAYERS = ["padded", "grouped", "tokens", "vectors"]


def batches() -> Iterator[Mapping[str, NDArray[np.uint8]]]:
    """Batches of unequal size: the last picture is not worth two others."""
    for start in (0, 2, 4):
        yield {"pixels": PICTURES[start : start + 2]}


def in_fp32(layer: str) -> onnx.ModelProto:
    """One layer behind pixels of 4 channels and 6 x 6 px, with random weights and biases."""
    rng = np.random.default_rng(1)
    shapes = {"padded": (8, 4, 3, 3), "grouped": (4, 1, 5, 5), "tokens": (6, 8), "vectors": (8, 144)}
    weights = rng.standard_normal(shapes[layer]).astype(np.float32) / 255
    constants = {"weights": weights, "bias": rng.standard_normal(4 if layer == "grouped" else 8).astype(np.float32)}
    nodes = [helper.make_node("Cast", ["pixels"], ["cast"], "cast", to=TensorProto.FLOAT)]
    if layer == "tokens":
        nodes += [
            helper.make_node("MatMul", ["cast", "weights"], ["product"], "layer"),
            helper.make_node("Add", ["product", "bias"], ["result"], "add"),
        ]
    elif layer == "vectors":
        nodes += [
            helper.make_node("Flatten", ["cast"], ["flat"], "flatten"),
            helper.make_node("Gemm", ["flat", "weights", "bias"], ["result"], "layer", transB=1),
        ]
    else:
        asked = {"pads": [1, 1, 1, 1], "strides": [2, 2]} if layer == "padded" else {"pads": [2] * 4, "group": 4}
        nodes.append(helper.make_node("Conv", ["cast", "weights", "bias"], ["result"], "layer", **asked))
    ends = [
        helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", 4, 6, 6]),
        helper.make_tensor_value_info("result", TensorProto.FLOAT, None),
    ]
    stored = [numpy_helper.from_array(values, name) for name, values in constants.items()]
    graph = helper.make_graph(nodes, "one layer", ends[:1], ends[1:], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def rounded(model: onnx.ModelProto, *, integer_bias: bool) -> onnx.ModelProto:
    """Round the weights to 7 steps per channel, as coarsely as shows, and the bias finely or not at all."""
    coarse = onnx.ModelProto()
    coarse.CopyFrom(model)
    stored = {tensor.name: tensor for tensor in coarse.graph.initializer}
    layer = next(node for node in coarse.graph.node if node.name == "layer")
    axis = 1 if layer.op_type == "MatMul" else 0
    weights = numpy_helper.to_array(stored["weights"])
    others = tuple(each for each in range(weights.ndim) if each != axis)
    scales = {"weights": (np.abs(weights).max(axis=others) / 3).astype(np.float32)}
    if integer_bias:
        scales["bias"] = np.full(weights.shape[0], 1e-4, np.float32)
    for name, scale in scales.items():
        along = axis if name == "weights" else 0
        values = numpy_helper.to_array(stored[name])
        steps = np.rint(values / np.expand_dims(scale, tuple(each for each in range(values.ndim) if each != along)))
        kind = np.int8 if name == "weights" else np.int32
        coarse.graph.initializer.remove(stored[name])
        coarse.graph.initializer.append(numpy_helper.from_array(steps.astype(kind), f"{name}_quantized"))
        coarse.graph.initializer.append(numpy_helper.from_array(scale, f"{name}_scale"))
        inputs = [f"{name}_quantized", f"{name}_scale"]
        coarse.graph.node.insert(0, helper.make_node("DequantizeLinear", inputs, [name], f"{name}_dq", axis=along))
    return coarse


def means(model: onnx.ModelProto, layer: str) -> NDArray[np.float32]:
    """The mean of each output channel over all pictures and places."""
    options = onnxruntime.SessionOptions()
    # Optimised, a product with integer weights rounds its inputs too.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {"pixels": PICTURES})
    others = (0, 2, 3) if layer in ("padded", "grouped") else tuple(range(output.ndim - 1))
    return np.asarray(output.mean(axis=others))


@pytest.mark.parametrize("layer", LAYERS)
def test_the_mean_of_each_channel_is_what_it_was_before_rounding(layer: str) -> None:
    model = in_fp32(layer)
    coarse = rounded(model, integer_bias=layer != "tokens")
    expected = means(model, layer)
    assert np.abs(means(coarse, layer) - expected).max() > 0.05
    correct_biases(coarse, model, batches())
    np.testing.assert_allclose(means(coarse, layer), expected, atol=2e-4)


def test_a_layer_in_fp32_keeps_its_bias() -> None:
    model = in_fp32("padded")
    same = in_fp32("padded")
    correct_biases(same, model, batches())
    assert same == model


def test_a_bias_that_two_read_is_left_alone() -> None:
    model = in_fp32("tokens")
    model.graph.node.append(helper.make_node("Neg", ["bias"], ["other"], "other"))
    coarse = rounded(model, integer_bias=False)
    before = coarse.SerializeToString()
    correct_biases(coarse, model, batches())
    assert coarse.SerializeToString() == before
