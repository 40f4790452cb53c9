"""The model under training: its weights at the start, and its features with and without a graph behind them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from transformers import SiglipModel

from ruiji_encoder.augmentation import Changes, apply_changes
from ruiji_encoder.backbones.siglip_lite import LiteSiglipConfig, LiteSiglipModel
from ruiji_encoder.backbones.trunk_rows import chosen_views, is_trunk_rows
from ruiji_encoder.pixels import normalise_pixels
from ruiji_encoder.training.settings import LockedTower, TrainingPrecision

if TYPE_CHECKING:
    from transformers import SiglipConfig


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
        model = LiteSiglipModel(config) if isinstance(config, LiteSiglipConfig) else SiglipModel(config)
    with torch.no_grad():
        model.logit_scale.fill_(math.log(temperature))
        model.logit_bias.fill_(bias)
    return model


def computes_in_bf16(precision: TrainingPrecision, model: SiglipModel) -> bool:
    """Tell whether the towers compute in bf16.

    A CPU gains by it where it multiplies tiles of bf16 (AMX) and the time goes into matrices: SigLIP's own towers learn
    twice as fast. A convolutional backbone's depthwise kernels do not.
    """
    if precision is not TrainingPrecision.AUTO:
        return precision is TrainingPrecision.BF16
    if model.logit_scale.device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu.get_capabilities().get("amx_bf16")) and not isinstance(model, LiteSiglipModel)


@contextmanager
def locked_tower(model: SiglipModel, locked: LockedTower | None) -> Iterator[None]:
    """Keep a tower's weights out of training for a while; all others learn."""
    towers = {LockedTower.PICTURE: model.vision_model, LockedTower.TEXT: model.text_model}
    held = [] if locked is None else [weight for weight in towers[locked].parameters() if weight.requires_grad]
    for weight in held:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in held:
            weight.requires_grad_(True)


@dataclass(frozen=True, slots=True)
class Towers:
    """Computes features in fp32, whatever the towers themselves compute in."""

    model: SiglipModel
    """On its device."""
    bf16: bool
    """Whether the towers compute in bf16."""

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        device: torch.device = self.model.logit_scale.device
        return device

    def pictures(self, pixels: torch.Tensor, changes: Changes | None = None) -> torch.Tensor:
        """Return picture features, shape (n, D), float32.

        Args:
            pixels: RGB, shape (n, 256, 256, 3), uint8, on any device; or rows of the tower's own trunk, see
                `backbones.trunk_rows`.
            changes: of the augmentation; of rows, only whether they are mirrored.
        """
        if is_trunk_rows(pixels):
            rows = chosen_views(pixels, None if changes is None else changes.mirrored).to(self.device)
            with self._autocast():
                from_rows: torch.Tensor = self.model.vision_model(trunk_rows=rows).pooler_output
            return from_rows.float()
        normalised = normalise_pixels(pixels.to(self.device, non_blocking=True))
        if changes is not None:
            normalised = apply_changes(normalised, changes)
        # Moving pixels puts the channels first, and depthwise convolutions then take two to three times as long.
        normalised = normalised.contiguous(memory_format=torch.channels_last)
        with self._autocast():
            features: torch.Tensor = self.model.get_image_features(pixel_values=normalised).pooler_output
        return features.float()

    def texts(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return text features, shape (n, D), float32.

        Args:
            tokens: shape (n, 64), int64, on any device.
        """
        with self._autocast():
            features: torch.Tensor = self.model.get_text_features(input_ids=tokens.to(self.device)).pooler_output
        return features.float()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16)
