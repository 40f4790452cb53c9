"""NVIDIA's own parser and builder take the graphs that are planned here.

They run with TensorRT for RTX, which shares API and parser with TensorRT and builds without a GPU, or with TensorRT
where there is a GPU. The first is a dependency of the tests alone: what it builds is not what Triton loads.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from ruiji_encoder.backbones.efficientnet_lite import LiteVisionConfig, LiteVisionTower
from ruiji_encoder.errors import ExportError
from ruiji_encoder.graph import PixelsToUnitVector
from ruiji_encoder.onnx_files import write_onnx
from ruiji_encoder.projection import Projection
from ruiji_encoder.tensorrt.engine import EngineSettings, build_plan, parse_network
from ruiji_encoder.tensorrt.precision_plan import LayerPrecision, plan_precisions
from ruiji_encoder.tensorrt.typed_graph import with_planned_types
from transformers import SiglipVisionModel

from .conftest import random_projection

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None
    and (importlib.util.find_spec("tensorrt") is None or not torch.cuda.is_available()),
    reason="needs TensorRT for RTX, or TensorRT and a GPU",
)


@pytest.fixture(scope="module")
def trt() -> Any:
    rtx = importlib.util.find_spec("tensorrt_rtx") is not None
    return importlib.import_module("tensorrt_rtx" if rtx else "tensorrt")


@pytest.fixture(scope="module", params=["siglip", "efficientnet-lite0"])
def graph(
    request: pytest.FixtureRequest,
    tower: SiglipVisionModel,
    projection: Projection,
    tmp_path_factory: pytest.TempPathFactory,
) -> onnx.ModelProto:
    """An fp32 export of either architecture, with random weights."""
    path = tmp_path_factory.mktemp("graphs") / "model.onnx"
    if request.param == "siglip":
        write_onnx(PixelsToUnitVector(tower, projection), path)
    else:
        lite = LiteVisionTower._from_config(LiteVisionConfig(hidden_size=144, trunk_blocks=0))
        write_onnx(PixelsToUnitVector(lite.train(False), random_projection(144)), path)
    return onnx.load(path)


@pytest.fixture(scope="module")
def parsed(trt: Any) -> Callable[[onnx.ModelProto], Any]:
    kept = []

    def parse(model: onnx.ModelProto) -> Any:
        logger = trt.Logger(trt.Logger.ERROR)
        builder = trt.Builder(logger)
        kept.append((logger, builder))
        return parse_network(trt, builder, logger, model.SerializeToString())

    return parse


@pytest.mark.parametrize("precision", list(LayerPrecision))
def test_every_layer_of_the_network_has_the_planned_type(
    trt: Any,
    parsed: Callable[[onnx.ModelProto], Any],
    graph: onnx.ModelProto,
    precision: LayerPrecision,
) -> None:
    plan = plan_precisions(graph, precision)
    network = parsed(with_planned_types(graph, plan))
    assert network.get_flag(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    types = {LayerPrecision.FP32: trt.float32, LayerPrecision.FP16: trt.float16, LayerPrecision.BF16: trt.bfloat16}
    kinds = {node.name: node.op_type for node in graph.graph.node}
    seen: dict[str, set[object]] = {}
    for layer in (network.get_layer(number) for number in range(network.num_layers)):
        made = layer.get_output(0).dtype
        # Names are the nodes' own; what the parser adds has others. Casts are what they cast to.
        if kinds.get(layer.name, "Cast") != "Cast" and made in types.values():
            assert made == types[plan[layer.name]], layer.name
            seen.setdefault(kinds[layer.name], set()).add(made)
    assert seen["Gemm"] == {types[precision]}
    assert seen["Conv"] == {trt.float32 if precision is LayerPrecision.BF16 else types[precision]}


def test_the_network_takes_uint8_pictures_in_any_number_and_answers_float32(
    trt: Any,
    parsed: Callable[[onnx.ModelProto], Any],
    graph: onnx.ModelProto,
) -> None:
    network = parsed(with_planned_types(graph, plan_precisions(graph, LayerPrecision.BF16)))
    pixels, embedding = network.get_input(0), network.get_output(0)
    assert (pixels.name, pixels.dtype, tuple(pixels.shape)) == ("pixels", trt.uint8, (-1, 256, 256, 3))
    assert (embedding.name, embedding.dtype, tuple(embedding.shape)) == ("unit_vector", trt.float32, (-1, 128))


@pytest.mark.parametrize("precision", [LayerPrecision.FP16, LayerPrecision.BF16])
def test_an_engine_is_built(
    trt: Any,
    graph: onnx.ModelProto,
    precision: LayerPrecision,
) -> None:
    typed = with_planned_types(graph, plan_precisions(graph, precision)).SerializeToString()
    weights = sum(tensor.ByteSize() for tensor in graph.graph.initializer)
    assert len(build_plan(trt, typed, EngineSettings(), None)) > weights // 3


# The call is the same there; RTX keeps no times and says so.
@pytest.mark.filterwarnings("ignore:.*TensorRT-RTX:DeprecationWarning")
def test_a_timing_cache_is_kept_and_taken_again(
    trt: Any,
    graph: onnx.ModelProto,
    tmp_path: Path,
) -> None:
    typed = with_planned_types(graph, plan_precisions(graph, LayerPrecision.FP16)).SerializeToString()
    cache = tmp_path / "tensorrt.cache"
    for _ in range(2):
        assert build_plan(trt, typed, EngineSettings(), cache)
        assert cache.stat().st_size > 0


def test_a_graph_that_was_not_prepared_is_refused_with_the_parsers_words(
    parsed: Callable[[onnx.ModelProto], Any], graph: onnx.ModelProto
) -> None:
    """Its first layer permutes uint8, which no layer of TensorRT takes; hence the cast that comes first."""
    with pytest.raises(ExportError, match=r"cannot parse the graph: In node 1 .*Transpose"):
        parsed(graph)
