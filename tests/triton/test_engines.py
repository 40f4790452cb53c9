"""The engines of the Python backend, and the check that stands before one is served with."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from ruiji_encoding.manifest import EncoderError, Precision
from ruiji_triton import engine_check
from ruiji_triton.cpu_engine import CpuEngine
from ruiji_triton.engine_check import check_engine
from ruiji_triton.errors import RepositoryError
from ruiji_triton.python_backend.engines import Engine, EngineError, Tensor, open_engine

from tests.support.tiny_encoder import tiny_embedding, write_tiny_encoder
from tests.triton.helpers import random_pixels


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    write_tiny_encoder(tmp_path / "encoder")
    return tmp_path / "encoder"


@pytest.mark.parametrize("engine", CpuEngine)
@pytest.mark.parametrize("batch", [1, 3, 64])
def test_engines_compute_the_graph(encoder: Path, engine: CpuEngine, batch: int) -> None:
    pixels = random_pixels(batch)
    vectors = open_engine(engine, encoder / "model.onnx", threads=1, precision="fp32").run(pixels)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, tiny_embedding(pixels), atol=1e-5)


@pytest.mark.parametrize("engine", CpuEngine)
def test_engines_describe_the_graph(encoder: Path, engine: CpuEngine) -> None:
    opened = open_engine(engine, encoder / "model.onnx", threads=0, precision="fp32")
    assert opened.inputs == [Tensor("pixels", "uint8", (256, 256, 3))]
    assert opened.outputs == [Tensor("unit_vector", "float32", (128,))]


@pytest.mark.parametrize("engine", CpuEngine)
def test_answers_outlive_the_next_run(encoder: Path, engine: CpuEngine) -> None:
    opened = open_engine(engine, encoder / "model.onnx", threads=1, precision="fp32")
    first = opened.run(random_pixels(2, seed=0))
    kept = first.copy()
    opened.run(random_pixels(2, seed=1))
    np.testing.assert_array_equal(first, kept)


def test_bf16_on_openvino_stays_within_its_gate(encoder: Path) -> None:
    """In bf16 where this processor multiplies it, in fp32 elsewhere: either passes."""
    pixels = random_pixels(8)
    vectors = open_engine(CpuEngine.OPENVINO, encoder / "model.onnx", threads=1, precision="bf16").run(pixels)
    assert np.sum(vectors * tiny_embedding(pixels), axis=1).min() > 0.999


def test_int8_with_scales_of_each_batch_is_refused_by_openvino(encoder: Path) -> None:
    with pytest.raises(EngineError, match="int8-static or bf16, or use onnxruntime"):
        open_engine(CpuEngine.OPENVINO, encoder / "model.onnx", threads=1, precision=str(Precision.INT8))


def test_missing_engine_is_named_with_what_installs_it(encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(RepositoryError, match=r"OpenVINO is not installed: pip install 'ruiji\[openvino\]'"):
        check_engine(encoder, CpuEngine.OPENVINO, random_pixels(4))


def test_unknown_engine_is_refused(encoder: Path) -> None:
    with pytest.raises(EngineError, match="'abacus'; there are onnxruntime, openvino"):
        open_engine("abacus", encoder / "model.onnx", threads=1, precision="fp32")


@pytest.mark.parametrize(("pictures", "overlap"), [(1, None), (11, None), (63, None), (64, 1.0), (70, 1.0)])
def test_check_says_how_close_the_engine_comes(encoder: Path, pictures: int, overlap: float | None) -> None:
    found = check_engine(encoder, CpuEngine.OPENVINO, random_pixels(pictures), threads=1)
    assert (found.pictures, found.overlap) == (pictures, overlap)
    assert found.min_cosine > 0.99999


def test_damaged_encoder_is_refused_before_an_engine_is_asked(encoder: Path) -> None:
    (encoder / "model.onnx").write_bytes(b"other")
    with pytest.raises(EncoderError, match="damaged"):
        check_engine(encoder, CpuEngine.OPENVINO, random_pixels(2))


class _Distorted:
    """A real engine whose answers come out a little, or much, beside the right ones."""

    def __init__(self, engine: Engine, noise: float, *, unit: bool = True) -> None:
        self.inputs, self.outputs = engine.inputs, engine.outputs
        self._engine, self._noise, self._unit = engine, noise, unit
        self._rng = np.random.default_rng(0)

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        vectors = self._engine.run(pixels)
        vectors = vectors + self._noise * self._rng.standard_normal(vectors.shape).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if self._unit else vectors


@pytest.mark.parametrize(
    ("noise", "unit", "limits", "problem"),
    [
        (0.01, True, {}, r"cosine 0\.99\d+ is below the limit of 0\.9999 for fp32; use onnxruntime"),
        (
            0.01,
            True,
            {"MIN_COSINE": {Precision.FP32: 0.5}},
            r"keep \d+\.\d% of their 10 nearest, below the limit of 99%",
        ),
        (0.01, False, {}, "no vectors of unit length"),
        (float("nan"), True, {}, "no vectors of unit length"),
    ],
    ids=["other-embeddings", "other-neighbours", "other-length", "not-a-number"],
)
def test_engine_below_the_gate_is_refused(
    encoder: Path,
    monkeypatch: pytest.MonkeyPatch,
    noise: float,
    unit: bool,
    limits: dict[str, dict[Precision, float]],
    problem: str,
) -> None:
    def opened(name: str, model: Path, *, threads: int, precision: str) -> Engine:
        engine = open_engine(name, model, threads=threads, precision=precision)
        return _Distorted(engine, noise, unit=unit) if name == CpuEngine.OPENVINO else engine

    monkeypatch.setattr(engine_check, "open_engine", opened)
    for name, limit in limits.items():
        monkeypatch.setattr(engine_check, name, limit)
    with pytest.raises(RepositoryError, match=problem):
        check_engine(encoder, CpuEngine.OPENVINO, random_pixels(64), threads=1)
