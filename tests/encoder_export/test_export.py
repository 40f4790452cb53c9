"""An exported encoder computes what PyTorch computes, loads where it must, or does not exist."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from ruiji_encoder.checkpoints import load_siglip, weights_sha256
from ruiji_encoder.errors import ExportError, ParityError, ProjectionError
from ruiji_encoder.export import ExportSettings, export_encoder
from ruiji_encoder.graph import PixelsToUnitVector
from ruiji_encoder.onnx_session import OnnxEncoder, open_encoder
from ruiji_encoder.parity import measure_parity
from ruiji_encoder.pixels import normalise_pixels
from ruiji_encoder.projection import Projection
from ruiji_encoding.manifest import EncoderManifest, Precision, encoder_id_of, read_manifest
from transformers import SiglipImageProcessorPil, SiglipVisionModel

from .conftest import random_projection

Artefact = tuple[Path, EncoderManifest]

INTEGERS = (Precision.INT8, Precision.INT8_STATIC)


def settings(precision: Precision = Precision.FP32, **changes: object) -> ExportSettings:
    return ExportSettings(name="test", checkpoint="tiny-siglip", precision=precision, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def artefacts(
    tmp_path_factory: pytest.TempPathFactory,
    tower: SiglipVisionModel,
    projection: Projection,
    pictures: NDArray[np.uint8],
) -> dict[Precision, Artefact]:
    made = {}
    for precision in Precision:
        folder = tmp_path_factory.mktemp("export") / precision
        asked = settings(precision, gated_on="80 drawings", calibrated_on="as many drawings")
        manifest = export_encoder(folder, tower, projection, pictures, asked, calibration=pictures)
        made[precision] = (folder, manifest)
    return made


@pytest.fixture(params=list(Precision))
def artefact(request: pytest.FixtureRequest, artefacts: dict[Precision, Artefact]) -> Artefact:
    return artefacts[request.param]


def test_artefact_is_two_files_that_belong_together(artefact: Artefact) -> None:
    folder, manifest = artefact
    assert sorted(path.name for path in folder.iterdir()) == ["encoder.json", "model.onnx"]
    assert [path.name for path in folder.parent.iterdir()] == [folder.name], "nothing is left beside it"
    assert read_manifest(folder) == manifest


def test_manifest_says_what_was_exported(artefact: Artefact, tower: SiglipVisionModel, projection: Projection) -> None:
    _, manifest = artefact
    assert manifest.weights_sha256 == weights_sha256(tower)
    assert manifest.projection_sha256 == projection.sha256()
    assert manifest.dimensions == 128
    assert manifest.fitted_on == "noise"
    assert manifest.encoder_id == encoder_id_of(
        weights_sha256=manifest.weights_sha256,
        projection_sha256=manifest.projection_sha256,
        preprocessing=manifest.preprocessing,
        precision=manifest.precision,
    )


def test_parity_was_measured_at_four_batch_sizes_on_different_pictures(artefact: Artefact) -> None:
    parity = artefact[1].parity
    assert parity.batch_sizes == (1, 2, 7, 64)
    assert parity.pictures == 74
    assert parity.limit <= parity.min_cosine <= 1


def test_manifest_says_what_it_was_gated_and_calibrated_on(artefact: Artefact) -> None:
    _, manifest = artefact
    assert manifest.parity.measured_on == "80 drawings"
    calibrated = manifest.precision is Precision.INT8_STATIC
    assert manifest.calibrated_on == ("as many drawings" if calibrated else "")


def test_static_scales_are_not_taken_from_the_gates_own_pictures_by_default(
    tmp_path: Path, tower: SiglipVisionModel, projection: Projection, pictures: NDArray[np.uint8]
) -> None:
    with pytest.raises(ExportError, match="from real pictures other than the gate's"):
        export_encoder(tmp_path / "out", tower, projection, pictures, settings(Precision.INT8_STATIC))
    assert list(tmp_path.iterdir()) == []


def test_any_batch_size_answers_unit_vectors(artefact: Artefact, pictures: NDArray[np.uint8]) -> None:
    _, encoder = open_encoder(artefact[0])
    for batch in (1, 3, 80):
        vectors = encoder.embed(pictures[:batch])
        assert (vectors.shape, vectors.dtype) == ((batch, 128), np.float32)
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_file_loads_in_triton_24_10(artefact: Artefact) -> None:
    model = onnx.load(artefact[0] / "model.onnx")
    assert model.ir_version <= 10
    assert {entry.domain: entry.version for entry in model.opset_import} == {"": 20}
    (pixels,), (vector,) = model.graph.input, model.graph.output
    assert (pixels.name, pixels.type.tensor_type.elem_type) == ("pixels", onnx.TensorProto.UINT8)
    assert [d.dim_param or d.dim_value for d in pixels.type.tensor_type.shape.dim] == ["batch", 256, 256, 3]
    assert (vector.name, vector.type.tensor_type.elem_type) == ("unit_vector", onnx.TensorProto.FLOAT)
    assert [d.dim_param or d.dim_value for d in vector.type.tensor_type.shape.dim] == ["batch", 128]


def test_file_tells_nothing_of_the_machine_that_made_it(artefact: Artefact) -> None:
    content = (artefact[0] / "model.onnx").read_bytes()
    assert b"stack_trace" not in content
    assert b"site-packages" not in content


def test_projection_and_norms_stay_in_fp32(artefact: Artefact, projection: Projection) -> None:
    graph = onnx.load(artefact[0] / "model.onnx").graph
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    np.testing.assert_array_equal(weights["matrix"], projection.matrix)
    np.testing.assert_array_equal(weights["mean"], projection.mean)
    (product,) = (node for node in graph.node if "matrix" in node.input)
    assert product.op_type == "MatMul"
    assert {"LayerNormalization", "ReduceL2"} <= {node.op_type for node in graph.node}


def test_int8_turns_every_other_product_with_weights_into_integers(artefact: Artefact) -> None:
    folder, manifest = artefact
    graph = onnx.load(folder / "model.onnx").graph
    weights = {tensor.name for tensor in graph.initializer}
    in_float = [node for node in graph.node if node.op_type in ("MatMul", "Gemm") and set(node.input) & weights]
    if manifest.precision in INTEGERS:
        assert [node.input[1] for node in in_float] == ["matrix"]
    elif manifest.precision is not Precision.BF16:
        assert len(in_float) > 1


def test_int8_weights_keep_a_bit_free_so_that_no_processor_overflows(artefact: Artefact) -> None:
    graph = onnx.load(artefact[0] / "model.onnx").graph
    integers = [t for t in graph.initializer if t.data_type == onnx.TensorProto.INT8 and len(t.dims) == 2]
    assert bool(integers) == (artefact[1].precision in INTEGERS)
    for tensor in integers:
        assert np.abs(onnx.numpy_helper.to_array(tensor)).max() <= 64


def test_same_inputs_give_the_same_bytes(
    artefact: Artefact, tmp_path: Path, tower: SiglipVisionModel, projection: Projection, pictures: NDArray[np.uint8]
) -> None:
    _, first = artefact
    asked = settings(first.precision, gated_on="80 drawings", calibrated_on="as many drawings")
    again = export_encoder(tmp_path / "again", tower, projection, pictures, asked, calibration=pictures)
    assert again == first


def test_an_export_that_misses_its_gate_leaves_nothing(
    tmp_path: Path, tower: SiglipVisionModel, projection: Projection, pictures: NDArray[np.uint8]
) -> None:
    with pytest.raises(ParityError, match=r"below the limit of 1\.5"):
        export_encoder(tmp_path / "out", tower, projection, pictures, settings(min_cosine=1.5, parity_batch_sizes=(2,)))
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_is_replaced_only_on_request_and_only_by_a_good_one(
    artefacts: dict[Precision, Artefact],
    tmp_path: Path,
    tower: SiglipVisionModel,
    projection: Projection,
    pictures: NDArray[np.uint8],
) -> None:
    folder, old = artefacts[Precision.FP32]
    out = tmp_path / "out"
    shutil.copytree(folder, out)
    (out / "README.md").write_text("kept")
    with pytest.raises(ExportError, match="holds an encoder already"):
        export_encoder(out, tower, projection, pictures, settings())

    turned = dataclasses.replace(projection, matrix=-projection.matrix)
    with pytest.raises(ParityError):
        export_encoder(out, tower, turned, pictures, settings(min_cosine=1.5, parity_batch_sizes=(1,), replace=True))
    assert read_manifest(out) == old

    new = export_encoder(out, tower, turned, pictures, settings(parity_batch_sizes=(1,), replace=True))
    assert read_manifest(out) == new
    assert new.encoder_id != old.encoder_id
    assert (out / "README.md").read_text() == "kept"


def test_a_projection_of_another_tower_is_refused(
    tmp_path: Path, tower: SiglipVisionModel, pictures: NDArray[np.uint8]
) -> None:
    with pytest.raises(ProjectionError, match="fit one on this tower"):
        export_encoder(tmp_path / "out", tower, random_projection(160), pictures, settings())


def test_attention_that_onnx_does_not_know_is_refused(
    tmp_path: Path, siglip_folder: Path, projection: Projection, pictures: NDArray[np.uint8]
) -> None:
    with pytest.raises(ExportError, match="eager"):
        export_encoder(tmp_path / "out", load_siglip(siglip_folder).vision_model, projection, pictures, settings())


def test_parity_finds_a_graph_with_another_projection(
    tower: SiglipVisionModel, projection: Projection, artefact: Artefact, pictures: NDArray[np.uint8]
) -> None:
    other = PixelsToUnitVector(tower, dataclasses.replace(projection, matrix=-projection.matrix))
    with pytest.raises(ParityError, match=r"cosine -\d.* at batch 2 is below the limit of 0\.9"):
        measure_parity(other, OnnxEncoder(artefact[0] / "model.onnx"), pictures, min_cosine=0.9, batch_sizes=(2,))


def test_parity_wants_as_many_pictures_as_the_largest_batch(
    tower: SiglipVisionModel, projection: Projection, artefact: Artefact, pictures: NDArray[np.uint8]
) -> None:
    model = PixelsToUnitVector(tower, projection)
    with pytest.raises(ParityError, match="63 pictures cannot fill"):
        measure_parity(model, OnnxEncoder(artefact[0] / "model.onnx"), pictures[:63], min_cosine=0.9)


def test_pixels_are_normalised_as_siglips_own_processor_does(pictures: NDArray[np.uint8]) -> None:
    processor = SiglipImageProcessorPil(size={"height": 256, "width": 256})
    theirs = processor(images=[Image.fromarray(p) for p in pictures[:2]], return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(normalise_pixels(torch.from_numpy(pictures[:2])), theirs, atol=1e-6, rtol=0)
