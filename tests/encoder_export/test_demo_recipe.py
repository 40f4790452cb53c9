"""The demo encoder's recipe, whole, with few weights and few pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ruiji_encoder.architecture import Architecture
from ruiji_encoder.catalogue import FolderCatalogue
from ruiji_encoder.checkpoints import load_siglip
from ruiji_encoder.demo_recipe import DemoSettings, make_demo_encoder
from ruiji_encoder.onnx_session import open_encoder
from ruiji_encoder.projection import load_projection
from ruiji_encoder.training import TrainingSettings

TINY = DemoSettings(
    # 64 px patches are too coarse for real use and fast enough for a test.
    architecture=Architecture(patch_px=64, width=144, depth=1, heads=4, text_width=32, text_depth=1),
    training=TrainingSettings(epochs=1, batch_size=24, learning_rate=1e-3, augmentation=None),
    threads=1,
)


def test_one_call_makes_an_encoder_from_a_catalogue(catalogue_folder: Path, tmp_path: Path) -> None:
    out, work = tmp_path / "encoder", tmp_path / "work"
    steps: list[int] = []
    manifest = make_demo_encoder(
        catalogue_folder, out, work, TINY, trained=lambda progress: steps.append(progress.step)
    )
    assert steps == list(range(1, 13))
    found, encoder = open_encoder(out)
    assert found == manifest

    data = FolderCatalogue(catalogue_folder, cache=work / "pictures")
    assert encoder.embed(data.pictures(np.arange(5))).shape == (5, 128)
    assert load_projection(work / "projection.npz").sha256() == manifest.projection_sha256
    assert load_siglip(work / "checkpoint").config.vision_config.patch_size == 64
