"""The plan of precisions and the graph that carries it; engines themselves need TensorRT and a GPU."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import onnx
import pytest
from google.protobuf import text_format
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from ruiji_encoder.errors import ExportError
from ruiji_encoder.export import ExportSettings, export_encoder
from ruiji_encoder.onnx_session import OnnxEncoder
from ruiji_encoder.projection import Projection
from ruiji_encoder.tensorrt.building import build_gated_engine, engine_manifest
from ruiji_encoder.tensorrt.engine import EngineSettings
from ruiji_encoder.tensorrt.precision_plan import ALWAYS_FP32, LayerPrecision, plan_precisions, summary
from ruiji_encoder.tensorrt.typed_graph import with_planned_types
from ruiji_encoding.manifest import MODEL_FILE, Precision, read_manifest
from ruiji_triton.config import ModelSettings
from ruiji_triton.repositories import write_engine
from transformers import SiglipVisionModel
from tritonclient.grpc import model_config_pb2


@pytest.fixture(scope="module")
def encoder(
    tower: SiglipVisionModel,
    projection: Projection,
    pictures: NDArray[np.uint8],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """An fp32 export of a small SigLIP."""
    folder = tmp_path_factory.mktemp("tensorrt") / "encoder"
    settings = ExportSettings(name="tiny", checkpoint="random weights", parity_batch_sizes=(1, 2))
    export_encoder(folder, tower, projection, pictures[:16], settings)
    return folder


@pytest.fixture(scope="module")
def graph(encoder: Path) -> onnx.ModelProto:
    return onnx.load(encoder / MODEL_FILE)


@pytest.mark.parametrize("precision", [LayerPrecision.FP16, LayerPrecision.BF16])
def test_products_are_in_the_towers_precision_and_what_sums_or_is_outside_in_fp32(
    graph: onnx.ModelProto, precision: LayerPrecision
) -> None:
    plan = plan_precisions(graph, precision)
    assert set(plan) == {node.name for node in graph.graph.node}
    products = [node for node in graph.graph.node if node.op_type in {"MatMul", "Gemm", "Conv"}]
    with_projection = [node.name for node in products if "matrix" in node.input]
    assert len(with_projection) == 1
    for node in products:
        # ONNX knows no Conv in bfloat16 before opset 22; a vision transformer's only one cuts the patches.
        wide = node.name in with_projection or (node.op_type == "Conv" and precision is LayerPrecision.BF16)
        expected = LayerPrecision.FP32 if wide else precision
        assert plan[node.name] is expected, node.name
    for node in graph.graph.node:
        if node.op_type in ALWAYS_FP32:
            assert plan[node.name] is LayerPrecision.FP32, node.name
    assert sum(sum(kinds.values()) for kinds in summary(graph, plan).values()) == len(graph.graph.node)


def test_an_fp16_tower_as_planned_answers_like_the_fp32_graph(
    encoder: Path, graph: onnx.ModelProto, pictures: NDArray[np.uint8], tmp_path: Path
) -> None:
    typed = with_planned_types(graph, plan_precisions(graph, LayerPrecision.FP16))
    onnx.checker.check_model(typed, full_check=True)
    onnx.save_model(typed, tmp_path / "typed.onnx")
    assert (tmp_path / "typed.onnx").stat().st_size < 0.7 * (encoder / MODEL_FILE).stat().st_size
    reference = OnnxEncoder(encoder / MODEL_FILE).embed(pictures[:7])
    planned = OnnxEncoder(tmp_path / "typed.onnx").embed(pictures[:7])
    assert planned.dtype == np.float32
    cosines = (reference * planned).sum(axis=1)
    assert cosines.min() > 0.999
    assert not np.array_equal(reference, planned), "nothing was computed in fp16"


def test_a_plan_in_fp32_changes_no_answer(
    encoder: Path, graph: onnx.ModelProto, pictures: NDArray[np.uint8], tmp_path: Path
) -> None:
    onnx.save_model(with_planned_types(graph, plan_precisions(graph, LayerPrecision.FP32)), tmp_path / "typed.onnx")
    np.testing.assert_allclose(
        OnnxEncoder(tmp_path / "typed.onnx").embed(pictures[:3]),
        OnnxEncoder(encoder / MODEL_FILE).embed(pictures[:3]),
        atol=1e-6,
    )


def test_every_type_in_a_bf16_graph_is_the_planned_one(graph: onnx.ModelProto) -> None:
    plan = plan_precisions(graph, LayerPrecision.BF16)
    typed = with_planned_types(graph, plan)
    onnx.checker.check_model(typed, full_check=True)
    kinds = {tensor.name: tensor.data_type for tensor in typed.graph.initializer}
    inferred = onnx.shape_inference.infer_shapes(typed, strict_mode=True)
    kinds |= {value.name: value.type.tensor_type.elem_type for value in inferred.graph.value_info}
    checked = 0
    for node in typed.graph.node:
        if node.op_type != "Cast" and plan.get(node.name) is not None:
            floats = {kinds[name] for name in node.input if name in kinds} & {TensorProto.FLOAT, TensorProto.BFLOAT16}
            wanted = TensorProto.BFLOAT16 if plan[node.name] is LayerPrecision.BF16 else TensorProto.FLOAT
            assert floats <= {wanted}, node.name
            checked += bool(floats)
    assert checked > 50
    weight = next(tensor for tensor in typed.graph.initializer if tensor.data_type == TensorProto.BFLOAT16)
    original = next(tensor for tensor in graph.graph.initializer if f"{tensor.name}.bf16" == weight.name)
    stored = np.frombuffer(weight.raw_data, "<u2").astype(np.uint32) << 16
    np.testing.assert_allclose(stored.view(np.float32), numpy_helper.to_array(original).ravel(), rtol=2**-8)


def test_uint8_meets_nothing_but_a_cast(graph: onnx.ModelProto) -> None:
    """TensorRT takes uint8 as a network's input and in no other layer."""
    typed = with_planned_types(graph, plan_precisions(graph, LayerPrecision.BF16))
    users = [node for node in typed.graph.node if "pixels" in node.input]
    assert [(node.op_type, node.attribute[0].i) for node in users] == [("Cast", TensorProto.FLOAT)]


def test_a_plan_of_another_graph_is_refused(graph: onnx.ModelProto) -> None:
    with pytest.raises(ExportError, match="it was made for another graph"):
        with_planned_types(graph, {"some node": LayerPrecision.FP16})


def test_an_engines_encoder_id_is_that_of_its_precision(encoder: Path) -> None:
    manifest = read_manifest(encoder)
    made = engine_manifest(manifest, Precision.BF16, b"an engine", manifest.parity)
    assert made.precision is Precision.BF16
    assert made.encoder_id != manifest.encoder_id
    assert made.projection_sha256 == manifest.projection_sha256


def test_an_engine_becomes_a_model_of_the_containers_tensorrt_backend(encoder: Path, tmp_path: Path) -> None:
    manifest = read_manifest(encoder)
    made = engine_manifest(manifest, Precision.BF16, b"an engine", manifest.parity)
    repository = write_engine(made, b"an engine", tmp_path, ModelSettings(max_batch_size=64))
    model = repository / made.encoder_id
    assert (model / "1" / "model.plan").read_bytes() == b"an engine"
    config = text_format.Parse((model / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())
    assert (config.name, config.backend, config.platform) == (made.encoder_id, "tensorrt", "tensorrt_plan")
    assert config.max_batch_size == 64
    assert config.instance_group[0].kind == model_config_pb2.ModelInstanceGroup.KIND_GPU
    assert config.parameters["model_sha256"].string_value == made.model_sha256


def test_batches_of_an_engine_rise() -> None:
    with pytest.raises(ExportError, match="must rise from 1"):
        EngineSettings(usual_batch=128)


def test_only_precisions_of_layers_are_built(encoder: Path, pictures: NDArray[np.uint8]) -> None:
    with pytest.raises(ExportError, match="built in fp32, fp16, bf16, not in int8"):
        build_gated_engine(encoder, Precision.INT8, pictures, EngineSettings())


@pytest.mark.skipif(importlib.util.find_spec("tensorrt") is not None, reason="TensorRT is installed here")
def test_without_tensorrt_the_message_says_where_to_run(encoder: Path, pictures: NDArray[np.uint8]) -> None:
    with pytest.raises(ExportError, match="run this inside NVIDIA's container"):
        build_gated_engine(encoder, Precision.BF16, pictures, EngineSettings())
