"""Run in a process of its own, to be killed: a small run in a folder. See test_finetuning.py."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch
from ruiji_encoder.augmentation import Augmentation
from ruiji_encoder.tokenizers import train_tokenizer
from ruiji_encoder.training import TrainingProgress, TrainingSettings, new_siglip
from ruiji_encoder.training.finetuning import RunSummary, finetune

from tests.encoder_export.conftest import tiny_config
from tests.encoder_export.distributed_steps import Noise

SETTINGS = TrainingSettings(
    epochs=3,
    batch_size=6,
    learning_rate=1e-3,
    muon_learning_rate=0.01,
    augmentation=Augmentation(scale=0.0),
    checkpoint_every_steps=3,
)


def a_run(folder: Path, *, killed_after: int | None = None, resume: bool = False) -> RunSummary:
    """Train on noise; killed with SIGKILL after a step, or to the end."""
    torch.set_num_threads(1)

    def die(told: TrainingProgress) -> None:
        if told.step == killed_after:
            os.kill(os.getpid(), signal.SIGKILL)

    data = Noise()
    tokenizer = train_tokenizer([text for row in range(24) for text in data.captions(row)], vocabulary_size=40)
    model = new_siglip(tiny_config(width=32, patch_px=128, vocabulary=len(tokenizer)), seed=0, bias=-2.0)
    return finetune(model, tokenizer, data, SETTINGS, folder, validation=data, resume=resume, progress=die)


if __name__ == "__main__":
    a_run(Path(sys.argv[1]), killed_after=int(sys.argv[2]))
