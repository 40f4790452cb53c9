"""The encoder of raw pixels is an artefact like any other, and sees what NumPy sees."""

from __future__ import annotations

import numpy as np
import pytest
from ruiji_encoder.errors import ProjectionError
from ruiji_encoder.onnx_session import OnnxEncoder
from ruiji_encoder.pixel_encoder import make_pixel_encoder, thumbnails
from ruiji_encoding.manifest import MODEL_FILE, read_manifest


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Coloured noise, coarse enough to survive in thumbnails."""
    coarse = np.random.default_rng(3).integers(0, 256, (260, 32, 32, 3), dtype=np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


def test_a_thumbnail_is_the_average_of_its_blocks(pictures):
    features = thumbnails(pictures[:2])
    assert features.shape == (2, 768)
    assert features[1, 0] == pytest.approx(pictures[1, :16, :16, 0].mean(), rel=1e-6)
    assert features[1, 256 + 17] == pytest.approx(pictures[1, 16:32, 16:32, 1].mean(), rel=1e-6)


def test_the_artefact_reads_back_and_gives_unit_vectors(pictures, tmp_path):
    manifest = make_pixel_encoder(tmp_path / "pixels", pictures, fitted_on="noise")
    assert read_manifest(tmp_path / "pixels") == manifest
    assert manifest.parity.min_cosine > 0.9999
    vectors = OnnxEncoder(tmp_path / "pixels" / MODEL_FILE).embed(pictures[:5])
    assert vectors.shape == (5, 128)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(5), abs=1e-5)


def test_the_same_pictures_make_the_same_encoder_and_others_another(pictures, tmp_path):
    first = make_pixel_encoder(tmp_path / "a", pictures, fitted_on="noise")
    again = make_pixel_encoder(tmp_path / "b", pictures, fitted_on="noise")
    other = make_pixel_encoder(tmp_path / "c", pictures[::-1, ::-1], fitted_on="noise")
    assert first == again
    assert first.encoder_id != other.encoder_id


def test_too_few_pictures_are_refused(pictures, tmp_path):
    with pytest.raises(ProjectionError, match="too few"):
        make_pixel_encoder(tmp_path / "pixels", pictures[:255], fitted_on="noise")
    assert not (tmp_path / "pixels").exists()
