"""Which precision every node of an encoder's graph computes in.

SigLIP's ViT-B/16 in fp16 throughout has been seen to collapse (cosine 0.65, TensorRT#4373), and an L2 norm in fp16 to
overflow (TensorRT#1954). So what squares, exponentiates or sums many numbers stays in fp32, and so does everything
outside the tower: normalised pixels, projection, unit length.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import onnx

from ruiji_encoder.precisions import outside_tower

if TYPE_CHECKING:
    from collections.abc import Mapping


class LayerPrecision(StrEnum):
    """What a node computes in."""

    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"


ALWAYS_FP32 = frozenset(
    {
        "Cast",
        "Div",
        "Exp",
        "InstanceNormalization",
        "LayerNormalization",
        "Pow",
        "ReduceL2",
        "ReduceMean",
        "ReduceSum",
        "Shape",
        "Softmax",
        "Sqrt",
    }
)
"""Kinds of nodes that sum, square, divide or exponentiate; and Shape, which asks the pixels for their batch alone and
would have all of them cast."""

_NOT_IN_BF16 = frozenset({"Conv"})
"""ONNX has no such node in bfloat16 before opset 22. A vision transformer has one, which cuts the patches; a
convolutional backbone gains nothing from bf16: build it in fp16."""


def plan_precisions(model: onnx.ModelProto, tower: LayerPrecision) -> dict[str, LayerPrecision]:
    """Decide what every node computes in; a pure function of the graph.

    Args:
        model: an fp32 export as `onnx_files.write_onnx` writes it.
        tower: of the tower's products and of what lies between them.

    Returns:
        By name of the node, all of them.

    Raises:
        ExportError: patch embedding or projection cannot be found in the graph.
    """
    outside = outside_tower(model)
    wide = ALWAYS_FP32 | _NOT_IN_BF16 if tower is LayerPrecision.BF16 else ALWAYS_FP32
    return {
        node.name: LayerPrecision.FP32 if node.name in outside or node.op_type in wide else tower
        for node in model.graph.node
    }


def summary(model: onnx.ModelProto, plan: Mapping[str, LayerPrecision]) -> dict[LayerPrecision, dict[str, int]]:
    """Count nodes by precision and kind, for people."""
    counted: dict[LayerPrecision, dict[str, int]] = {}
    for node in model.graph.node:
        kinds = counted.setdefault(plan[node.name], {})
        kinds[node.op_type] = kinds.get(node.op_type, 0) + 1
    return counted
