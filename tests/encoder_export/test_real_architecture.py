"""The pipeline holds for the architecture that is served: ViT-B/16 at 256 px, with random weights.

Takes minutes and 3 GB of memory, so it runs on request only: RUIJI_SLOW=1.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from ruiji_encoder.checkpoints import load_vision_tower
from ruiji_encoder.export import ExportSettings, export_encoder
from ruiji_encoder.features import fit_projection_to
from ruiji_encoding.manifest import Precision, read_manifest
from transformers import SiglipConfig, SiglipModel, SiglipVisionModel

pytestmark = [
    pytest.mark.skipif(os.environ.get("RUIJI_SLOW") != "1", reason="takes minutes; set RUIJI_SLOW=1 to run it"),
    pytest.mark.timeout(1800),
]

MEBIBYTE = 2**20


@pytest.fixture(scope="module")
def vit_b(tmp_path_factory: pytest.TempPathFactory) -> SiglipVisionModel:
    """The vision half of a checkpoint with the sizes of google/siglip-base-patch16-256-multilingual."""
    folder = tmp_path_factory.mktemp("checkpoint") / "siglip-base-patch16-256"
    torch.manual_seed(0)
    # The text half is not exported; its real vocabulary of 250,000 would only cost memory.
    SiglipModel(SiglipConfig(vision_config={"image_size": 256}, text_config={"vocab_size": 64})).save_pretrained(folder)
    return load_vision_tower(folder)


@pytest.mark.parametrize(
    ("precision", "largest_mib"), [(Precision.FP32, 360), (Precision.INT8, 110)], ids=["fp32", "int8"]
)
def test_exports_to_one_file_that_passes_its_gate(
    vit_b: SiglipVisionModel, pictures: NDArray[np.uint8], tmp_path: Path, precision: Precision, largest_mib: int
) -> None:
    batches = [
        np.roll(pictures[start : start + 16], shift, axis=2) for shift in (0, 40, 80, 120) for start in (0, 16, 32, 48)
    ]
    projection = fit_projection_to(vit_b, batches, fitted_on="256 drawings")
    manifest = export_encoder(
        tmp_path / "encoder",
        vit_b,
        projection,
        pictures,
        ExportSettings(name="vit-b", checkpoint="random weights", precision=precision),
    )
    assert read_manifest(tmp_path / "encoder") == manifest
    assert manifest.dimensions == 128
    assert manifest.parity.batch_sizes == (1, 2, 7, 64)
    assert sorted(path.name for path in (tmp_path / "encoder").iterdir()) == ["encoder.json", "model.onnx"]
    assert (tmp_path / "encoder" / "model.onnx").stat().st_size < largest_mib * MEBIBYTE
