"""The plain training loop: no folder, no validation, nothing to resume."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ruiji_encoder.checkpoints import save_checkpoint
from ruiji_encoder.training.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from transformers import PreTrainedTokenizerBase, SiglipModel

    from ruiji_encoder.training.batches import TrainingData
    from ruiji_encoder.training.settings import TrainingProgress, TrainingSettings


def train(
    model: SiglipModel,
    tokenizer: PreTrainedTokenizerBase,
    data: TrainingData,
    settings: TrainingSettings,
    *,
    progress: Callable[[TrainingProgress], None] | None = None,
    checkpoint_folder: Path | None = None,
) -> list[float]:
    """Train in place, on the device that the model is on.

    Captions of one picture take turns from epoch to epoch, and each batch mixes the languages.

    Args:
        model: from `new_siglip` or `checkpoints.load_siglip`.
        tokenizer: the one that belongs to it.
        data: pictures and captions.
        settings: see there.
        progress: called after every step.
        checkpoint_folder: where model and tokenizer are saved after every epoch.

    Returns:
        The mean loss of each epoch.

    Raises:
        TrainingError: fewer pictures than a batch, a tokenizer that is not the model's, or a loss that is no number any
            more.
    """
    trainer = Trainer(model, tokenizer, data, settings)
    epoch_losses: list[float] = []
    losses: list[float] = []
    for told in trainer.steps():
        losses.append(told.loss)
        if progress is not None:
            progress(told)
        if told.step % trainer.steps_per_epoch == 0:
            epoch_losses.append(float(np.mean(losses)))
            losses.clear()
            if checkpoint_folder is not None:
                save_checkpoint(checkpoint_folder, model, tokenizer)
    return epoch_losses
