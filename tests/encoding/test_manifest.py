from __future__ import annotations

import dataclasses
import json

import pytest
from ruiji_encoding.manifest import EncoderError, Precision, encoder_id_of, read_manifest, write_manifest

from tests.support.tiny_encoder import write_tiny_encoder

PARTS = {
    "weights_sha256": "a" * 64,
    "projection_sha256": "b" * 64,
    "preprocessing": "p1",
    "precision": Precision.FP32,
}


def test_a_manifest_reads_back(tmp_path):
    written = write_tiny_encoder(tmp_path)
    assert read_manifest(tmp_path) == written


def test_the_encoder_id_is_stable():
    assert encoder_id_of(**PARTS) == "enc-1d5dbeac2c91d31d"


@pytest.mark.parametrize("part", PARTS)
def test_another_part_is_another_encoder(part):
    other = Precision.INT8 if part == "precision" else "other"
    assert encoder_id_of(**{**PARTS, part: other}) != encoder_id_of(**PARTS)


def test_a_damaged_model_is_refused(tmp_path):
    write_tiny_encoder(tmp_path)
    with (tmp_path / "model.onnx").open("r+b") as file:
        file.write(b"garbage")
    with pytest.raises(EncoderError, match=r"model\.onnx is damaged"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("name", ["model.onnx", "encoder.json"])
def test_a_missing_file_is_named(tmp_path, name):
    write_tiny_encoder(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(EncoderError, match=f"{name} is missing"):
        read_manifest(tmp_path)


def test_an_edited_manifest_is_refused(tmp_path):
    write_tiny_encoder(tmp_path)
    path = tmp_path / "encoder.json"
    path.write_text(path.read_text().replace('"fp32"', '"int8"'))
    with pytest.raises(EncoderError, match="does not follow from the manifest's own hashes"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 9}, "format version 9"),
        ({"surprise": 1}, "unknown keys"),
        ({"parity": None}, "is damaged"),
        ({"precision": "fp4"}, "is damaged"),
    ],
)
def test_a_manifest_of_another_shape_is_refused(tmp_path, change, message):
    write_tiny_encoder(tmp_path)
    path = tmp_path / "encoder.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(EncoderError, match=message):
        read_manifest(tmp_path)


def test_writing_replaces(tmp_path):
    manifest = write_tiny_encoder(tmp_path)
    write_manifest(tmp_path, dataclasses.replace(manifest, name="renamed"))
    assert read_manifest(tmp_path).name == "renamed"
