"""Several devices compute what one would, each holding its own block of the logits; so do several microbatches."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from ruiji_encoder.backbones.efficientnet_lite import LiteVisionConfig
from ruiji_encoder.backbones.siglip_lite import LiteSiglipConfig
from ruiji_encoder.errors import TrainingError
from ruiji_encoder.losses import sigmoid_loss
from ruiji_encoder.tokenizers import train_tokenizer
from ruiji_encoder.training import Devices, LockedTower, TrainingPrecision, TrainingSettings, joined_devices, new_siglip
from ruiji_encoder.training.contrast import contrast
from ruiji_encoder.training.towers import computes_in_bf16
from ruiji_encoder.training.trainer import Trainer

from .conftest import tiny_config
from .distributed_steps import SETTINGS, Noise, few_steps

ROOT = Path(__file__).parents[2]


def a_run_of(processes: int, out: Path) -> dict[str, Any]:
    """Run distributed_steps.py in this many processes, as a launcher would."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.encoder_export.distributed_steps", str(out)],
            cwd=ROOT,
            env={
                **os.environ,
                "OMP_NUM_THREADS": "1",
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": port,
                "GLOO_SOCKET_IFNAME": "lo",
                "WORLD_SIZE": str(processes),
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
            },
        )
        for rank in range(processes)
    ]
    assert [process.wait(timeout=240) for process in started] == [0] * processes
    loaded: dict[str, Any] = torch.load(out, weights_only=True)
    return loaded


def test_two_processes_train_as_one_does(tmp_path: Path) -> None:
    few_steps(tmp_path / "one.pt")
    one: dict[str, Any] = torch.load(tmp_path / "one.pt", weights_only=True)
    two = a_run_of(2, tmp_path / "two.pt")
    assert two["losses"] == pytest.approx(one["losses"], rel=1e-5)
    assert two["norm"] == pytest.approx(one["norm"], rel=1e-4)
    for name, gradient in one["gradients"].items():
        torch.testing.assert_close(two["gradients"][name], gradient, rtol=1e-3, atol=1e-6, msg=name)


@pytest.fixture(scope="module")
def alone() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 6, 5, generator=generator, dtype=torch.float64)
    return x, y, torch.eye(6, dtype=torch.bool) | (torch.rand(6, 6, generator=generator) < 0.2)


def test_gradients_of_the_features_are_those_of_the_plain_loss(
    alone: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    x, y, matches = alone
    leaves = [tensor.clone().requires_grad_() for tensor in (x, y, torch.tensor(2.0), torch.tensor(-3.0))]
    loss = sigmoid_loss(*leaves, matches)
    torch.autograd.backward(loss)
    ours = contrast(x, y, torch.tensor(2.0), torch.tensor(-3.0), lambda _: matches, Devices())
    torch.testing.assert_close(ours.loss.double(), loss.detach(), rtol=1e-6, atol=0)
    for gradient, leaf in zip((ours.pictures, ours.texts, ours.logit_scale, ours.logit_bias), leaves, strict=True):
        torch.testing.assert_close(gradient, leaf.grad)


def trained(settings: TrainingSettings, **config: Any) -> tuple[list[float], dict[str, torch.Tensor]]:
    data = Noise()
    tokenizer = train_tokenizer([text for row in range(24) for text in data.captions(row)], vocabulary_size=40)
    sizes = tiny_config(width=32, patch_px=128, vocabulary=len(tokenizer))
    for name, value in config.items():
        setattr(sizes.vision_config, name, value)
        setattr(sizes.text_config, name, value)
    model = new_siglip(sizes, seed=0, bias=-2.0)
    losses = [told.loss for told in Trainer(model, tokenizer, data, settings).steps()]
    return losses, model.state_dict()


def test_microbatches_change_nothing_but_the_memory() -> None:
    whole, weights = trained(SETTINGS)
    for microbatches in (3, 8):
        losses, others = trained(dataclasses.replace(SETTINGS, microbatches=microbatches))
        assert losses == pytest.approx(whole, rel=1e-5)
        # AdamW divides by the size of gradients, which for some weights is rounding noise.
        apart = torch.cat([(others[name] - weight).abs().flatten() for name, weight in weights.items()])
        assert float(apart.mean()) < 1e-5
    checkpointed, _ = trained(dataclasses.replace(SETTINGS, gradient_checkpointing=True))
    assert checkpointed == pytest.approx(whole, rel=1e-5)


def test_dropout_falls_alike_in_both_passes_of_a_microbatch_and_in_every_run() -> None:
    settings = dataclasses.replace(SETTINGS, microbatches=2)
    first, again = (trained(settings, attention_dropout=0.4)[0] for _ in range(2))
    assert first == again
    assert first != trained(settings)[0]


@pytest.mark.parametrize(
    ("locked", "still", "learns"),
    [(LockedTower.PICTURE, "vision_model.", "text_model."), (LockedTower.TEXT, "text_model.", "vision_model.")],
)
@pytest.mark.parametrize("microbatches", [1, 2])
def test_a_locked_tower_stays_as_it_was(locked: LockedTower, still: str, learns: str, microbatches: int) -> None:
    settings = dataclasses.replace(SETTINGS, locked=locked, microbatches=microbatches)
    before = trained(dataclasses.replace(settings, learning_rate=1e-30, weight_decay=0.0))[1]
    losses, after = trained(settings)
    assert len(losses) == 3
    moved = {name for name, weight in after.items() if not torch.equal(weight, before[name])}
    assert not any(name.startswith(still) for name in moved)
    assert any(name.startswith(learns) for name in moved)
    assert {"logit_scale", "logit_bias"} <= moved


def test_bf16_comes_close_to_fp32() -> None:
    exact, _ = trained(SETTINGS)
    rounded, _ = trained(dataclasses.replace(SETTINGS, precision=TrainingPrecision.BF16))
    assert rounded == pytest.approx(exact, rel=0.02)
    assert rounded != exact


@pytest.mark.parametrize("multiplies_tiles", [True, False])
def test_left_to_itself_a_cpu_computes_in_bf16_where_it_multiplies_tiles_and_matrices_are_the_work(
    multiplies_tiles: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": multiplies_tiles, "avx512_bf16": True})
    siglip = new_siglip(tiny_config(width=32, patch_px=128), seed=0)
    vision = {"model_type": LiteVisionConfig.model_type, "hidden_size": 32}
    convolutional = new_siglip(LiteSiglipConfig(vision_config=vision), seed=0)
    assert computes_in_bf16(TrainingPrecision.AUTO, siglip) == multiplies_tiles
    assert not computes_in_bf16(TrainingPrecision.AUTO, convolutional)
    for model in (siglip, convolutional):
        assert computes_in_bf16(TrainingPrecision.BF16, model)
        assert not computes_in_bf16(TrainingPrecision.FP32, model)


def test_devices_that_are_not_there_or_cannot_share_a_batch_are_refused() -> None:
    if not torch.cuda.is_available():
        with pytest.raises(TrainingError, match="there is no device cuda here"), joined_devices("cuda"):
            pass
    with pytest.raises(TrainingError, match="write cpu, cuda"), joined_devices("gpu7"):
        pass
    data = Noise()
    tokenizer = train_tokenizer([text for row in range(24) for text in data.captions(row)], vocabulary_size=40)
    model = new_siglip(tiny_config(width=32, patch_px=128, vocabulary=len(tokenizer)), seed=0)
    with pytest.raises(TrainingError, match="cannot be shared evenly by 3 devices"):
        Trainer(model, tokenizer, data, SETTINGS, Devices(rank=0, world=3))
