"""How to train, and what is told while training."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from ruiji_encoder.augmentation import Augmentation
from ruiji_encoder.errors import TrainingError


class LockedTower(StrEnum):
    """A tower whose weights stay as they are while the other learns to meet it."""

    PICTURE = "picture"
    """As in Zhai et al., "LiT: Zero-Shot Transfer with Locked-image text Tuning", CVPR 2022."""
    TEXT = "text"


class TrainingPrecision(StrEnum):
    """What the towers compute in; weights, optimizer, features and loss are fp32 always."""

    AUTO = "auto"
    """bf16 where the device gains by it, else fp32; see `towers.computes_in_bf16`."""
    FP32 = "fp32"
    BF16 = "bf16"


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How to train. The defaults are those of Mercari's paper (arXiv 2510.13359), for fine-tuning a checkpoint."""

    epochs: int = 5
    """Passes over all pictures."""
    batch_size: int = 256
    """Pictures per step, on all devices together; every picture is compared with every caption of its batch."""
    learning_rate: float = 5e-5
    """Peak, reached after the warmup. From random weights about 1e-3."""
    backbone_learning_rate: float | None = None
    """Peak for a backbone's pretrained weights, which move less than a head and a text tower that begin from nothing;
    None moves all alike. SigLIP's own towers know no such division."""
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
    locked: LockedTower | None = None
    """A tower that does not learn, or None."""
    precision: TrainingPrecision = TrainingPrecision.AUTO
    """Of the towers."""
    seed: int = 0
    """Of the order of pictures, of the augmentation and of dropout."""
    microbatches: int = 1
    """Parts that a device's share of a batch is computed in, to save memory: each tower runs twice, and the gradients
    are those of the whole batch with all its negatives."""
    gradient_checkpointing: bool = False
    """Keep one activation per layer and compute the others again: less memory for a third more work."""
    checkpoint_every_steps: int = 500
    """Steps between saved states, beside one at the end of every epoch."""
    validation_pairs: int = 5_000
    """Most pairs of the validation side that an epoch is judged on."""

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 2:
            raise TrainingError(
                "training takes at least 1 epoch and batches of at least 2: a lone pair has no negatives"
            )
        if self.learning_rate <= 0 or self.max_gradient_norm <= 0 or not 0 <= self.warmup_share <= 1:
            raise TrainingError("learning rate and gradient norm must be positive, the warmup share from 0 to 1")
        if self.backbone_learning_rate is not None and self.backbone_learning_rate <= 0:
            raise TrainingError("the backbone's learning rate must be positive; to keep its weights, lock the tower")
        if not 1 <= self.microbatches <= self.batch_size:
            raise TrainingError(f"a batch of {self.batch_size} has from 1 to {self.batch_size} microbatches")
        if self.checkpoint_every_steps < 1 or self.validation_pairs < 2:
            raise TrainingError("states are saved every 1 or more steps, and validation takes 2 or more pairs")

    def that_matter(self) -> dict[str, Any]:
        """Return what decides a run's result, as JSON holds it; the rest may change when a run is resumed."""
        values = asdict(self)
        for free in ("microbatches", "gradient_checkpointing", "checkpoint_every_steps"):
            del values[free]
        # Through JSON: saved states hold plain values only, and tuples come back as lists.
        plain: dict[str, Any] = json.loads(json.dumps(values))
        return plain


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
    """Since this process began to train."""
    gradient_norm: float
    """Before clipping."""
    temperature: float
    """t of the loss, before the step."""
    bias: float
    """b of the loss, before the step."""
