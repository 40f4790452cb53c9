"""Train both towers of a SigLIP on pictures and their titles, from random weights or from a checkpoint."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from transformers import SiglipConfig, SiglipModel

from ruiji_encoder.augmentation import Augmentation, augment
from ruiji_encoder.checkpoints import save_checkpoint
from ruiji_encoder.errors import TrainingError
from ruiji_encoder.losses import sigmoid_loss, true_pairs
from ruiji_encoder.optimisation import Muon, hidden_matrices, parameter_groups, warmup_cosine
from ruiji_encoder.pixels import normalise_pixels
from ruiji_encoder.tokenizers import tokenize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

    from ruiji_encoder.catalogue import CaptionedPictures


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How to train. The defaults suit fine-tuning a pretrained checkpoint on one machine."""

    epochs: int = 5
    """Passes over all pictures."""
    batch_size: int = 256
    """Pictures per step; every picture is compared with every caption of its batch."""
    learning_rate: float = 1e-5
    """Peak, reached after the warmup. From random weights about 1e-3."""
    weight_decay: float = 1e-4
    """Of matrices and kernels, see `optimisation.parameter_groups`."""
    betas: tuple[float, float] = (0.9, 0.95)
    """Of AdamW; 0.95 keeps large batches stable, as in the SigLIP paper, section 4.7."""
    warmup_share: float = 0.1
    """Share of all steps over which the learning rate rises."""
    max_gradient_norm: float = 1.0
    """Gradients are scaled down to this length."""
    muon_learning_rate: float | None = None
    """Peak of Muon for the matrices inside transformer layers, about 0.02 from random weights; None leaves everything
    to AdamW, as the SigLIP paper does."""
    augmentation: Augmentation | None = field(default_factory=Augmentation)
    """Changes to pictures, or None."""
    seed: int = 0
    """Of the order of pictures and of the augmentation."""

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 2:
            raise TrainingError(
                "training takes at least 1 epoch and batches of at least 2: a lone pair has no negatives"
            )
        if self.learning_rate <= 0 or self.max_gradient_norm <= 0 or not 0 <= self.warmup_share <= 1:
            raise TrainingError("learning rate and gradient norm must be positive, the warmup share from 0 to 1")


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """Where a run stands after one step."""

    step: int
    """From 1 to `total_steps`."""
    total_steps: int
    """Of the whole run."""
    epoch: int
    """From 1."""
    loss: float
    """Of this step's batch."""
    learning_rate: float
    """Of this step."""
    pictures_per_s: float
    """Since the start."""


def new_siglip(config: SiglipConfig, *, seed: int, temperature: float = 10.0, bias: float = -10.0) -> SiglipModel:
    """Make a model with random weights.

    Args:
        config: of both towers.
        seed: of the weights.
        temperature: t at the start; the SigLIP paper's by default.
        bias: b at the start. The paper's -10 answers "no" to the thousands of negatives of its batches; in a short run
            with small batches it never climbs to where matches win, and -log(batch size) is the better start.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = SiglipModel(config)
    with torch.no_grad():
        model.logit_scale.fill_(math.log(temperature))
        model.logit_bias.fill_(bias)
    return model


def train(
    model: SiglipModel,
    tokenizer: PreTrainedTokenizerBase,
    data: CaptionedPictures,
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
        TrainingError: fewer pictures than a batch, or a loss that is no number any more.
    """
    batches = len(data) // settings.batch_size
    if batches == 0:
        raise TrainingError(f"{len(data)} pictures do not fill one batch of {settings.batch_size}")
    total_steps = batches * settings.epochs
    optimizers = _optimizers(model, settings)
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda step: warmup_cosine(
                step, warmup_steps=math.ceil(settings.warmup_share * total_steps), total_steps=total_steps
            ),
        )
        for optimizer in optimizers
    ]
    chance = torch.Generator().manual_seed(settings.seed)
    order = np.random.default_rng(settings.seed)
    device = model.logit_scale.device
    start, step = time.perf_counter(), 0
    epoch_losses: list[float] = []
    model.train()
    for epoch in range(settings.epochs):
        losses: list[float] = []
        for rows in _batches(len(data), settings.batch_size, order):
            learning_rate = float(schedules[0].get_last_lr()[0])
            pixels = normalise_pixels(torch.from_numpy(data.pictures(rows)).to(device))
            if settings.augmentation is not None:
                pixels = augment(pixels, settings.augmentation, chance)
            captions = [data.captions(row) for row in rows.tolist()]
            chosen = _in_turn(captions, rows, epoch)
            tokens = tokenize(tokenizer, chosen).to(device)
            loss = sigmoid_loss(
                model.get_image_features(pixel_values=pixels).pooler_output,
                model.get_text_features(input_ids=tokens).pooler_output,
                model.logit_scale,
                model.logit_bias,
                true_pairs(chosen, captions).to(device),
            )
            losses.append(float(loss.detach()))
            if not math.isfinite(losses[-1]):
                raise TrainingError(f"the loss is no number any more at step {step + 1}: lower the learning rate")
            model.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.max_gradient_norm)
            for optimizer, schedule in zip(optimizers, schedules, strict=True):
                optimizer.step()
                schedule.step()
            step += 1
            if progress is not None:
                rate = step * settings.batch_size / (time.perf_counter() - start)
                progress(TrainingProgress(step, total_steps, epoch + 1, losses[-1], learning_rate, rate))
        epoch_losses.append(float(np.mean(losses)))
        if checkpoint_folder is not None:
            save_checkpoint(checkpoint_folder, model, tokenizer)
    model.train(False)
    return epoch_losses


def _optimizers(model: SiglipModel, settings: TrainingSettings) -> list[torch.optim.Optimizer]:
    matrices = [] if settings.muon_learning_rate is None else hidden_matrices(model)
    adamw = torch.optim.AdamW(
        parameter_groups(model, settings.weight_decay, without=matrices),
        lr=settings.learning_rate,
        betas=settings.betas,
    )
    if settings.muon_learning_rate is None:
        return [adamw]
    return [adamw, Muon(matrices, lr=settings.muon_learning_rate, weight_decay=settings.weight_decay)]


def _batches(pictures: int, batch_size: int, order: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    # The last, incomplete batch is dropped: the loss' scale depends on the number of negatives.
    shuffled = order.permutation(pictures)
    for start in range(0, pictures - batch_size + 1, batch_size):
        # Ascending rows read a memory-mapped file in order; the order within a batch does not matter to the loss.
        yield np.sort(shuffled[start : start + batch_size])


def _in_turn(captions: Sequence[Sequence[str]], rows: NDArray[np.int64], epoch: int) -> list[str]:
    return [texts[(row + epoch) % len(texts)] for texts, row in zip(captions, rows.tolist(), strict=True)]
