"""A plan of precisions written into the graph itself, as casts: TensorRT then builds a strongly typed network.

In such a network TensorRT may not choose types of its own, so what is planned, tested and gated is what runs. The graph
is plain ONNX: with an fp16 tower ONNX Runtime runs it too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from ruiji_encoding.manifest import INPUT_NAME

from ruiji_encoder.errors import ExportError
from ruiji_encoder.precisions import bfloat16_bytes
from ruiji_encoder.tensorrt.precision_plan import LayerPrecision

if TYPE_CHECKING:
    from collections.abc import Mapping

_ONNX_TYPES = {
    LayerPrecision.FP32: TensorProto.FLOAT,
    LayerPrecision.FP16: TensorProto.FLOAT16,
    LayerPrecision.BF16: TensorProto.BFLOAT16,
}


def with_planned_types(model: onnx.ModelProto, plan: Mapping[str, LayerPrecision]) -> onnx.ModelProto:
    """Return the graph with every node in its planned precision, casts between them, and weights stored accordingly.

    Args:
        model: an fp32 export; left as it is.
        plan: from `plan_precisions` of this model.

    Raises:
        ExportError: the plan is of another graph.
    """
    unplanned = [node.name for node in model.graph.node if node.name not in plan]
    if unplanned:
        raise ExportError(f"the plan knows nothing of {unplanned[0]!r}: it was made for another graph")
    typed = _Typed(onnx.shape_inference.infer_shapes(_pixels_cast_first(model)))
    for node in list(typed.graph.node):
        typed.add(node, plan.get(node.name, LayerPrecision.FP32))
    return typed.finished()


def _pixels_cast_first(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy that casts the pixels before anything else: TensorRT takes uint8 as an input and in no layer."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    name = f"{INPUT_NAME}.fp32"
    for node in copy.graph.node:
        for place, used in enumerate(node.input):
            if used == INPUT_NAME:
                node.input[place] = name
    cast = helper.make_node("Cast", [INPUT_NAME], [name], name, to=TensorProto.FLOAT)
    copy.graph.node.insert(0, cast)
    # Types behind the cast are other ones now.
    del copy.graph.value_info[:]
    return copy


class _Typed:
    """A graph under construction: each fp32 tensor of the original, in the types that somebody asked for."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model, self.graph = model, model.graph
        self._weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self._floats = {
            value.name
            for value in (*model.graph.value_info, *model.graph.input, *model.graph.output)
            if value.type.tensor_type.elem_type == TensorProto.FLOAT
        } | {name for name, tensor in self._weights.items() if tensor.data_type == TensorProto.FLOAT}
        self._nodes: list[onnx.NodeProto] = []
        self._made: dict[tuple[str, LayerPrecision], str] = {}
        self._native: dict[str, LayerPrecision] = {}
        self._new_weights: list[onnx.TensorProto] = []

    def add(self, node: onnx.NodeProto, precision: LayerPrecision) -> None:
        """Take over a node, its inputs and outputs in the precision."""
        taken = onnx.NodeProto()
        taken.CopyFrom(node)
        for place, name in enumerate(node.input):
            if name in self._floats:
                taken.input[place] = self._in(name, precision)
        for place, name in enumerate(node.output):
            if name in self._floats:
                self._native[name] = precision
                taken.output[place] = self._named(name, precision)
                self._made[name, precision] = taken.output[place]
        self._nodes.append(taken)

    def finished(self) -> onnx.ModelProto:
        """Return the model with casts to fp32 for the outputs, and without weights that nobody uses."""
        for output in self.graph.output:
            self._in(output.name, LayerPrecision.FP32)
        used = {name for node in self._nodes for name in node.input}
        weights = [tensor for tensor in (*self.graph.initializer, *self._new_weights) if tensor.name in used]
        del self.graph.node[:], self.graph.initializer[:], self.graph.value_info[:]
        self.graph.node.extend(self._nodes)
        self.graph.initializer.extend(weights)
        return self._model

    def _in(self, name: str, precision: LayerPrecision) -> str:
        """Return the name of a tensor in a precision, made by a cast if need be."""
        if precision is self._native.get(name, LayerPrecision.FP32):
            return self._named(name, precision)
        known = self._made.get((name, precision))
        if known is None:
            known = self._made[name, precision] = self._named(name, precision)
            if name in self._weights:
                self._new_weights.append(_converted(self._weights[name], known, precision))
            else:
                source = self._named(name, self._native.get(name, LayerPrecision.FP32))
                to = _ONNX_TYPES[precision]
                self._nodes.append(helper.make_node("Cast", [source], [known], f"{known}.cast", to=to))
        return known

    def _named(self, name: str, precision: LayerPrecision) -> str:
        return name if precision is LayerPrecision.FP32 else f"{name}.{precision}"


def _converted(weight: onnx.TensorProto, name: str, precision: LayerPrecision) -> onnx.TensorProto:
    values = numpy_helper.to_array(weight)
    if precision is LayerPrecision.FP16:
        return numpy_helper.from_array(values.astype(np.float16), name)
    return helper.make_tensor(name, TensorProto.BFLOAT16, weight.dims, bfloat16_bytes(values), raw=True)
