"""Precisions of one encoder, compared on pictures, with the gates that an export has to pass."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from ruiji_encoding.gates import MIN_COSINE, MIN_OVERLAP, neighbour_overlap
from ruiji_encoding.manifest import MODEL_FILE, Precision, encoder_id_of, read_manifest, write_manifest
from ruiji_evaluation.errors import EncoderUnavailable, NothingToEvaluate
from ruiji_evaluation.pictures import decode_some
from ruiji_evaluation.precision_report import write_precisions
from ruiji_evaluation.precisions import TIMED_BATCHES, PrecisionFigures, PrecisionTable, compare_precisions
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
    assert (good.min_cosine_limit, good.min_overlap_limit) == (MIN_COSINE[Precision.INT8], MIN_OVERLAP[Precision.INT8])
    assert all(row.pictures_per_s[batch] > 0 for row in table.rows for batch in TIMED_BATCHES)
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


def test_the_table_is_written_for_people_and_for_machines(tmp_path):
    def row(precision, cosine, overlap):
        limits = MIN_COSINE[precision], MIN_OVERLAP[precision]
        return PrecisionFigures(precision, 8_300_000, cosine, 1.0, overlap, {1: 40.0, 8: 33.3}, *limits)

    table = PrecisionTable(
        "run/best",
        "PyTorch in fp32",
        "256 pictures of pairs, validation side",
        "128 other pictures of pairs, train side",
        1,
        (row(Precision.FP16, 0.9999994, 1.0), row(Precision.INT8_STATIC, 0.9712, 0.85)),
        {Precision.INT8: "this tower is made of convolutions"},
    )
    markdown, results = write_precisions(table, tmp_path / "new")
    assert markdown.read_text(encoding="utf-8") == (
        "## run/best\n\n"
        "Cosines and neighbours are to PyTorch in fp32, on 256 pictures of pairs, validation side; speeds are of one "
        "thread. int8-static is calibrated on 128 other pictures of pairs, train side.\n\n"
        "| precision | MB | lowest cosine | mean cosine | top-10 kept | pictures/s, batch 1 | pictures/s, batch 8 "
        "| limits: cosine, top-10 | verdict |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        # Five digits would make a 1 of the first cosine.
        "| fp16 | 8.3 | > 0.99999 | 1.00000 | 100.0% | 40.0 | 33.3 | 0.999, 95% | passed |\n"
        "| int8-static | 8.3 | 0.97120 | 1.00000 | 85.0% | 40.0 | 33.3 | 0.98, 70% | missed |\n\n"
        "Not written:\n\n"
        "- int8: this tower is made of convolutions\n"
    )
    figures = json.loads(results.read_text(encoding="utf-8"))
    assert [(each["precision"], each["passed"]) for each in figures["rows"]] == [("fp16", True), ("int8-static", False)]
    assert figures["not_written"] == {"int8": "this tower is made of convolutions"}
