"""One module from the pixels of a picture to its embedding: what is exported, and what exports are measured against."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn.functional import normalize

from ruiji_encoder.errors import ProjectionError
from ruiji_encoder.pixels import normalise_pixels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ruiji_encoder.checkpoints import VisionTower
    from ruiji_encoder.projection import Projection


class PixelsToUnitVector(nn.Module):
    """Normalise, vision tower with its pooling head, projection, L2 norm."""

    mean: torch.Tensor
    matrix: torch.Tensor

    def __init__(self, tower: VisionTower, projection: Projection) -> None:
        super().__init__()
        if projection.feature_dimensions != tower.config.hidden_size:
            raise ProjectionError(
                f"the projection was fitted on features of {projection.feature_dimensions} coordinates and the tower "
                f"yields {tower.config.hidden_size}: fit one on this tower"
            )
        self.tower = tower
        self.register_buffer("mean", torch.from_numpy(projection.mean.copy()))
        self.register_buffer("matrix", torch.from_numpy(projection.matrix.copy()))
        self.eval()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Embed pictures.

        Args:
            pixels: RGB, shape (batch, 256, 256, 3), uint8.

        Returns:
            Embeddings, shape (batch, d), float32, unit length.
        """
        features = self.tower(pixel_values=normalise_pixels(pixels)).pooler_output
        return normalize((features - self.mean) @ self.matrix, dim=-1)

    @torch.inference_mode()
    def embed(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed pictures held by NumPy; shapes as for `forward`."""
        embeddings: NDArray[np.float32] = self(torch.from_numpy(pixels)).cpu().numpy()
        return embeddings
