"""Run in one process or several: a few steps, whose gradients and losses go to a file. See test_devices.py."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from ruiji_encoder.augmentation import Augmentation
from ruiji_encoder.tokenizers import train_tokenizer
from ruiji_encoder.training import TrainingPrecision, TrainingSettings, joined_devices, new_siglip
from ruiji_encoder.training.trainer import Trainer

from tests.encoder_export.conftest import tiny_config

# In fp32 everywhere, so that other orders of summation are all that differs.
SETTINGS = TrainingSettings(
    epochs=1,
    batch_size=8,
    learning_rate=1e-3,
    augmentation=Augmentation(scale=0.0),
    precision=TrainingPrecision.FP32,
)


class Noise:
    """24 pictures of noise, whose titles repeat."""

    def __init__(self) -> None:
        self._pixels = np.random.default_rng(0).integers(0, 256, (24, 256, 256, 3), dtype=np.uint8)

    def __len__(self) -> int:
        return 24

    def pictures(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self._pixels[rows]

    def captions(self, row: int) -> tuple[str, ...]:
        return (f"noise number {row % 10}", f"ノイズ {row % 7}")


def few_steps(out: Path) -> None:
    """Train for an epoch of 3 steps, alone or with the other processes that a launcher started."""
    torch.set_num_threads(1)
    data = Noise()
    with joined_devices("cpu") as devices:
        tokenizer = train_tokenizer([text for row in range(24) for text in data.captions(row)], vocabulary_size=40)
        model = new_siglip(tiny_config(width=32, patch_px=128, vocabulary=len(tokenizer)), seed=0, bias=-2.0)
        trainer = Trainer(model, tokenizer, data, SETTINGS, devices)
        losses = []
        for told in trainer.steps():
            losses.append(told.loss)
            if told.step == 1:
                gradients = {name: weight.grad.clone() for name, weight in model.named_parameters()}
                norm = told.gradient_norm
        if devices.is_main:
            weights = model.state_dict()
            torch.save({"losses": losses, "gradients": gradients, "norm": norm, "weights": weights}, out)


if __name__ == "__main__":
    few_steps(Path(sys.argv[1]))
