"""Precisions of one encoder, compared on pictures, with the gates that an export has to pass."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from ruiji_encoder.gates import MIN_COSINE, MIN_OVERLAP, neighbour_overlap
from ruiji_encoding.manifest import MODEL_FILE, Precision, encoder_id_of, read_manifest, write_manifest
from ruiji_evaluation.errors import EncoderUnavailable, NothingToEvaluate
from ruiji_evaluation.pictures import decode_some
from ruiji_evaluation.precisions import compare_precisions
from ruiji_evaluation.progress import NoStages

from tests.support.tiny_encoder import write_tiny_encoder


@pytest.fixture(scope="module")
def pictures(shop):
    return decode_some(shop.folder / "images", 40, progress=lambda _: None)


def other_precision(folder, source, noise, precision=Precision.INT8):
    """The same encoder with its projection disturbed, as rounding would."""
    folder.mkdir()
    model = onnx.load(source / MODEL_FILE)
    [projection] = [tensor for tensor in model.graph.initializer if tensor.name == "projection"]
    values = numpy_helper.to_array(projection)
    disturbed = values * (1 + np.random.default_rng(0).normal(0, noise, values.shape).astype(np.float32))
    projection.CopyFrom(numpy_helper.from_array(disturbed, "projection"))
    content = model.SerializeToString()
    (folder / MODEL_FILE).write_bytes(content)
    manifest = read_manifest(source)
    encoder_id = encoder_id_of(
        weights_sha256=manifest.weights_sha256,
        projection_sha256=manifest.projection_sha256,
        preprocessing=manifest.preprocessing,
        precision=precision,
    )
    digest = hashlib.sha256(content).hexdigest()
    write_manifest(folder, replace(manifest, precision=precision, encoder_id=encoder_id, model_sha256=digest))
    return folder


def test_a_careful_precision_passes_and_a_careless_one_is_refused(shop, pictures, tmp_path):
    source = shop.folder / "encoder"
    others = [other_precision(tmp_path / "good", source, 0.001), other_precision(tmp_path / "bad", source, 1_000.0)]
    table = compare_precisions(source, others, pictures, measured_on="40 drawings", stages=NoStages())
    first, good, bad = table.rows
    assert first.min_cosine == pytest.approx(1, abs=1e-6)
    assert (first.overlap, first.passed, good.passed, bad.passed) == (1.0, True, True, False)
    assert bad.min_cosine < MIN_COSINE[Precision.INT8] < good.min_cosine
    assert good.model_bytes == (tmp_path / "good" / MODEL_FILE).stat().st_size


def test_other_weights_are_not_another_precision(shop, pictures, tmp_path):
    write_tiny_encoder(tmp_path / "other", seed=1)
    with pytest.raises(EncoderUnavailable, match="other weights or another projection"):
        compare_precisions(shop.folder / "encoder", [tmp_path / "other"], pictures, measured_on="", stages=NoStages())


def test_the_reference_is_fp32(shop, pictures, tmp_path):
    rounded = other_precision(tmp_path / "int8", shop.folder / "encoder", 0.001)
    with pytest.raises(EncoderUnavailable, match="is in int8: name the fp32 export first"):
        compare_precisions(rounded, [shop.folder / "encoder"], pictures, measured_on="", stages=NoStages())


def test_neighbours_need_pictures(shop, pictures, tmp_path):
    with pytest.raises(NothingToEvaluate, match="too few"):
        compare_precisions(shop.folder / "encoder", [], pictures[:10], measured_on="", stages=NoStages())
    with pytest.raises(NothingToEvaluate, match="holds no picture"):
        decode_some(tmp_path, 5, progress=lambda _: None)


def test_overlap_ignores_order_and_counts_what_stays():
    angles = np.radians([0, 10, 25, 90, 95])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert neighbour_overlap(vectors, vectors[:, ::-1], 2) == 1.0
    assert neighbour_overlap(vectors, vectors[[3, 1, 2, 0, 4]], 1) < 1.0


def test_every_precision_has_its_gates():
    assert set(MIN_COSINE) == set(MIN_OVERLAP) == set(Precision)
