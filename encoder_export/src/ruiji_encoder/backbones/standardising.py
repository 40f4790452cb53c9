"""A head's inputs measured on real pictures, once, before training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from ruiji_encoder.backbones.trunk_rows import chosen_views, is_trunk_rows
from ruiji_encoder.pixels import normalise_pixels

if TYPE_CHECKING:
    from ruiji_encoder.backbones.efficientnet_lite import LiteVisionTower
    from ruiji_encoder.training.batches import TrainingData

_MOST = 1_024
_AT_ONCE = 32


@torch.inference_mode()
def standardise_head(tower: LiteVisionTower, data: TrainingData) -> None:
    """Set the means and deviations by which a new head's inputs are scaled.

    Args:
        tower: with its weights of ImageNet.
        data: pictures or rows of the tower's trunk; at most 1,024 are looked at, evenly spread.
    """
    looked_at = np.unique(np.linspace(0, len(data) - 1, num=min(len(data), _MOST), dtype=np.int64))
    inputs = []
    for part in np.array_split(looked_at, -(-len(looked_at) // _AT_ONCE)):
        batch = torch.from_numpy(data.pictures(part))
        if is_trunk_rows(batch):
            inputs.append(tower.head_input_of_rows(chosen_views(batch, None)))
        else:
            inputs.append(tower.head_input(normalise_pixels(batch)))
    tower.head.standardise(torch.cat(inputs))
