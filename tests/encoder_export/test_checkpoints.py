"""Checkpoints load whole or not at all, and say what is wrong with them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from ruiji_encoder.checkpoints import (
    load_siglip,
    load_tokenizer,
    load_vision_tower,
    save_checkpoint,
    weights_sha256,
)
from ruiji_encoder.errors import CheckpointError
from ruiji_encoder.tokenizers import train_tokenizer
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPTextConfig, CLIPVisionConfig, SiglipModel, SiglipVisionModel

from .conftest import tiny_config


def copy_of(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target)
    return target


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    for key, value in changes.items():
        part, _, name = key.rpartition("__")
        (config[part] if part else config)[name] = value
    path.write_text(json.dumps(config))


def test_vision_half_of_a_whole_checkpoint_is_the_whole_models_vision_half(siglip_folder: Path) -> None:
    whole, half = load_siglip(siglip_folder), load_vision_tower(siglip_folder)
    pixels = torch.rand(2, 3, 256, 256)
    with torch.inference_mode():
        torch.testing.assert_close(
            half(pixel_values=pixels).pooler_output, whole.vision_model(pixel_values=pixels).pooler_output
        )
    assert not half.training
    assert next(half.parameters()).dtype == torch.float32


def test_the_vision_half_may_come_alone(siglip_folder: Path, tmp_path: Path) -> None:
    load_vision_tower(siglip_folder).save_pretrained(tmp_path / "half")
    assert weights_sha256(load_vision_tower(tmp_path / "half")) == weights_sha256(load_vision_tower(siglip_folder))
    with pytest.raises(CheckpointError, match="architecture 'siglip_vision_model'; expected a SigLIP"):
        load_siglip(tmp_path / "half")


def test_half_precision_weights_are_widened(siglip_folder: Path, tmp_path: Path) -> None:
    SiglipModel.from_pretrained(siglip_folder, dtype=torch.bfloat16).save_pretrained(tmp_path / "bf16")
    assert next(load_vision_tower(tmp_path / "bf16").parameters()).dtype == torch.float32


def test_the_hash_covers_weights_and_what_no_weight_shows() -> None:
    def tower(heads: int = 4) -> SiglipVisionModel:
        config = tiny_config().vision_config
        config.num_attention_heads = heads
        torch.manual_seed(0)
        return SiglipVisionModel(config)

    original = tower()
    assert weights_sha256(original) == weights_sha256(tower())
    assert weights_sha256(original) != weights_sha256(tower(heads=2)), "same weights, other answers"
    with torch.no_grad():
        original.post_layernorm.bias[0] += 1e-6
    assert weights_sha256(original) != weights_sha256(tower())


def test_saving_replaces_a_checkpoint_whole(siglip_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    tokenizer = train_tokenizer(["red box", "blue ball"] * 20, vocabulary_size=40)
    model = load_siglip(siglip_folder)
    for _ in range(2):
        save_checkpoint(folder, model, tokenizer)
        (folder / "left-over").touch()
    save_checkpoint(folder, model, tokenizer)
    assert not (folder / "left-over").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert load_tokenizer(folder).pad_token_id == 0
    assert weights_sha256(load_vision_tower(folder)) == weights_sha256(load_vision_tower(siglip_folder))


def test_another_picture_size_is_refused(tmp_path: Path) -> None:
    SiglipModel(tiny_config(image_size=224)).save_pretrained(tmp_path / "small")
    with pytest.raises(CheckpointError, match=r"224 px.*-256 sibling"):
        load_vision_tower(tmp_path / "small")


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    CLIPConfig(text_config=CLIPTextConfig().to_dict(), vision_config=CLIPVisionConfig().to_dict()).save_pretrained(
        tmp_path / "clip"
    )
    with pytest.raises(CheckpointError, match="architecture 'clip'; expected a SigLIP"):
        load_vision_tower(tmp_path / "clip")


def test_a_tower_without_a_pooling_head_is_refused(siglip_folder: Path, tmp_path: Path) -> None:
    folder = copy_of(siglip_folder, tmp_path / "headless")
    edit_config(folder, vision_config__vision_use_head=False)
    with pytest.raises(CheckpointError, match="no pooling head"):
        load_vision_tower(folder)


def test_missing_weights_are_not_left_random(siglip_folder: Path, tmp_path: Path) -> None:
    folder = copy_of(siglip_folder, tmp_path / "partial")
    weights = load_file(folder / "model.safetensors")
    lost = next(name for name in weights if name.endswith("head.probe"))
    del weights[lost]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"lacks 1 of the model's weights.*probe"):
        load_vision_tower(folder)


def test_weights_of_another_shape_are_refused(siglip_folder: Path, tmp_path: Path) -> None:
    folder = copy_of(siglip_folder, tmp_path / "mixed-up")
    edit_config(folder, vision_config__intermediate_size=64)
    with pytest.raises(CheckpointError, match="mixed-up"):
        load_vision_tower(folder)


def test_damaged_weights_are_refused(siglip_folder: Path, tmp_path: Path) -> None:
    folder = copy_of(siglip_folder, tmp_path / "torn")
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="cannot load the weights of checkpoint folder"):
        load_vision_tower(folder)


@pytest.mark.parametrize("missing", [Path("nowhere"), "./nowhere", "/nowhere/at/all", "a/b/c"])
def test_a_missing_folder_is_not_looked_for_on_the_hub(missing: str | Path) -> None:
    for load in (load_siglip, load_vision_tower, load_tokenizer):
        with pytest.raises(CheckpointError, match="does not exist"):
            load(missing)


def test_a_folder_without_a_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"checkpoint folder {tmp_path}"):
        load_vision_tower(tmp_path)


def test_a_hub_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        CheckpointError, match=r"google/siglip-base-patch16-256-multilingual of the hub.*give its folder"
    ):
        load_vision_tower("google/siglip-base-patch16-256-multilingual")
