"""`--engine` of `ruiji triton` and `ruiji up`: what is written for Triton, and what stops the start."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from ruiji_cli.triton import triton_settings
from ruiji_triton.cpu_engine import CpuEngine
from ruiji_triton.errors import RepositoryError

from tests.support.tiny_encoder import write_tiny_encoder


def _engines(repository: Path) -> set[str]:
    configs = [" ".join(path.read_text(encoding="utf-8").split()) for path in repository.glob("*/config.pbtxt")]
    return {
        engine for engine in CpuEngine for config in configs if f'"engine" value {{ string_value: "{engine}"' in config
    }


@pytest.mark.parametrize("engine", CpuEngine)
def test_every_encoder_is_run_by_the_chosen_engine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], engine: CpuEngine
) -> None:
    ids = {write_tiny_encoder(tmp_path / str(seed), seed).encoder_id for seed in (0, 1)}
    settings = triton_settings([tmp_path / "0", tmp_path / "1"], tmp_path, engine=engine)
    assert set(settings.encoder_ids) == ids
    assert _engines(settings.repository) == {engine}
    said = capsys.readouterr().err.count("answers as ONNX Runtime does: cosine at least 1.000000 over 10 pictures")
    assert said == (2 if engine is CpuEngine.OPENVINO else 0)


def test_an_engine_that_is_not_installed_stops_the_start_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny_encoder(tmp_path / "encoder")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(RepositoryError, match=r"OpenVINO is not installed: pip install 'ruiji\[openvino\]'"):
        triton_settings([tmp_path / "encoder"], tmp_path / "data", engine=CpuEngine.OPENVINO)
    assert not (tmp_path / "data").exists()
