"""One module from token ids to a unit vector in the space of the pictures' embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn.functional import normalize

from ruiji_encoder.errors import ProjectionError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import SiglipTextModel

    from ruiji_encoder.projection import Projection


class TokensToUnitVector(nn.Module):
    """Text tower, the pictures' projection around a centre of its own, L2 norm.

    The basis is that of the pictures, or cosines between the two would mean nothing. The centre is the texts': features
    of texts and of pictures lie apart from each other (Liang et al., "Mind the Gap", NeurIPS 2022), and the pictures'
    centre would leave all texts on one side.
    """

    mean: torch.Tensor
    matrix: torch.Tensor

    def __init__(self, tower: SiglipTextModel, projection: Projection, centre: NDArray[np.float32]) -> None:
        """Put the parts together.

        Args:
            tower: as `load_text_tower` gives it.
            projection: of the picture tower.
            centre: subtracted from the tower's features, shape (D,), float32.

        Raises:
            ProjectionError: the lengths differ.
        """
        super().__init__()
        length = tower.config.projection_size
        if not projection.feature_dimensions == length == len(centre):
            raise ProjectionError(
                f"the text tower yields {length} coordinates, the projection takes {projection.feature_dimensions} and "
                f"the centre has {len(centre)}: give the projection that was fitted on this checkpoint's pictures"
            )
        self.tower = tower
        self.register_buffer("mean", torch.from_numpy(centre.astype(np.float32).copy()))
        self.register_buffer("matrix", torch.from_numpy(projection.matrix.copy()))
        self.eval()

    def forward(self, token_ids: torch.Tensor) -> torch.Tensor:
        """Embed texts.

        Args:
            token_ids: padded to 64, shape (batch, 64), int64.

        Returns:
            Embeddings, shape (batch, d), float32, unit length.
        """
        features = self.tower(input_ids=token_ids).pooler_output
        return normalize((features - self.mean) @ self.matrix, dim=-1)

    @torch.inference_mode()
    def embed(self, token_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Embed texts held by NumPy; shapes as for `forward`."""
        embeddings: NDArray[np.float32] = self(torch.from_numpy(token_ids)).cpu().numpy()
        return embeddings


@torch.inference_mode()
def mean_text_features(
    tower: SiglipTextModel, token_ids: NDArray[np.int64], *, at_once: int = 64
) -> NDArray[np.float32]:
    """Return the mean of a tower's features over texts, shape (D,), float32; summed in fp64.

    Args:
        tower: as `load_text_tower` gives it.
        token_ids: shape (n, 64), int64.
        at_once: texts in a batch.
    """
    total = np.zeros(tower.config.projection_size or tower.config.hidden_size)
    for start in range(0, len(token_ids), at_once):
        features = tower(input_ids=torch.from_numpy(token_ids[start : start + at_once])).pooler_output
        total += features.double().sum(dim=0).numpy()
    mean: NDArray[np.float32] = (total / len(token_ids)).astype(np.float32)
    return mean
