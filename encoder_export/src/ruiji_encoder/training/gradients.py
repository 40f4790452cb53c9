"""Gradients of the contrastive loss, exact whatever the batch is divided into.

The loss compares every picture with every text, so gradients of parts do not simply add up. First all features are
computed without a graph, then the loss gives the gradient with respect to every feature, then each part is computed
once more, with a graph, and takes that gradient further down (Gao, Zhang, Han, Callan, "Scaling Deep Contrastive
Learning Batch Size under Memory Limited Setup", 2021). Undivided, the graph of the first pass is kept and nothing runs
twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch

from ruiji_encoder.losses import true_pairs
from ruiji_encoder.training.contrast import contrast
from ruiji_encoder.training.settings import LockedTower

if TYPE_CHECKING:
    from ruiji_encoder.augmentation import Changes
    from ruiji_encoder.training.batches import Batch
    from ruiji_encoder.training.devices import Devices
    from ruiji_encoder.training.towers import Towers


@dataclass(frozen=True, slots=True)
class GradientSettings:
    """How a batch is worked through."""

    microbatches: int
    """Parts of a device's share."""
    locked: LockedTower | None
    """A tower that needs no gradients."""
    seed: int
    """Of dropout."""


def accumulate_gradients(
    towers: Towers, batch: Batch, changes: Changes | None, settings: GradientSettings, devices: Devices
) -> torch.Tensor:
    """Set the gradient of every weight that learns, summed over all devices.

    Args:
        towers: whose gradients are None.
        batch: this device's share and the whole batch's texts.
        changes: of this device's pictures, or None.
        settings: see there.
        devices: this one among the others.

    Returns:
        The loss of the whole batch, a scalar.
    """
    model, size = towers.model, len(batch.chosen)
    parts = _parts(len(batch.tokens), settings.microbatches)

    def features_of(part: int) -> tuple[torch.Tensor, torch.Tensor]:
        rows = parts[part]
        with _dropout_of(settings.seed, batch.step, devices, part):
            pictures = _features(
                lambda: towers.pictures(batch.pixels[rows], None if changes is None else changes.of(rows)),
                learns=settings.locked is not LockedTower.PICTURE,
            )
            texts = _features(lambda: towers.texts(batch.tokens[rows]), learns=settings.locked is not LockedTower.TEXT)
        return pictures, texts

    divided = len(parts) > 1
    with torch.set_grad_enabled(not divided):
        computed = [features_of(part) for part in range(len(parts))]
    asked = contrast(
        torch.cat([pictures for pictures, _ in computed]),
        torch.cat([texts for _, texts in computed]),
        model.logit_scale,
        model.logit_bias,
        lambda rank: true_pairs(batch.chosen[devices.share_of(rank, size)], batch.captions[devices.share(size)]).to(
            towers.device
        ),
        devices,
    )
    for part, rows in enumerate(parts):
        outputs = features_of(part) if divided else computed[part]
        learning = [
            (output, gradient[rows])
            for output, gradient in zip(outputs, (asked.pictures, asked.texts), strict=True)
            if output.requires_grad
        ]
        torch.autograd.backward([output for output, _ in learning], [gradient for _, gradient in learning])
    model.logit_scale.grad = asked.logit_scale
    model.logit_bias.grad = asked.logit_bias
    for weight in model.parameters():
        if weight.grad is not None:
            devices.sum(weight.grad)
    return asked.loss


def derived_seed(*parts: int) -> int:
    """Return a seed for torch that follows from several numbers and is unlike that of their neighbours."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


def _features(compute: Callable[[], torch.Tensor], *, learns: bool) -> torch.Tensor:
    with torch.set_grad_enabled(learns and torch.is_grad_enabled()):
        return compute()


def _parts(pairs: int, microbatches: int) -> list[slice]:
    bounds = np.linspace(0, pairs, min(microbatches, pairs) + 1).round().astype(int).tolist()
    return [slice(start, end) for start, end in pairwise(bounds)]


@contextmanager
def _dropout_of(seed: int, step: int, devices: Devices, part: int) -> Iterator[None]:
    # The second pass must drop what the first dropped, and a resumed run what the first run dropped.
    cuda = [devices.device] if devices.device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(derived_seed(seed, step, devices.rank, part))
        yield
