"""A tower's features over many pictures, and the projection fitted on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from ruiji_encoder.pixels import normalise_pixels
from ruiji_encoder.projection import EMBEDDING_DIMENSIONS, FeatureMoments, Projection, fit_projection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray
    from transformers import SiglipVisionModel

    from ruiji_encoder.catalogue import CaptionedPictures


def batches_of(data: CaptionedPictures, batch_size: int) -> Iterator[NDArray[np.uint8]]:
    """Yield all pictures in order, in batches of shape (n, 256, 256, 3), uint8."""
    for start in range(0, len(data), batch_size):
        yield data.pictures(np.arange(start, min(start + batch_size, len(data))))


@torch.inference_mode()
def tower_features(tower: SiglipVisionModel, batches: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
    """Yield the tower's pooled output for each batch of pictures, shape (n, D), float32."""
    device = next(tower.parameters()).device
    for batch in batches:
        features: NDArray[np.float32] = (
            tower(pixel_values=normalise_pixels(torch.from_numpy(batch).to(device))).pooler_output.cpu().numpy()
        )
        yield features


def fit_projection_to(
    tower: SiglipVisionModel,
    batches: Iterable[NDArray[np.uint8]],
    *,
    fitted_on: str,
    dimensions: int = EMBEDDING_DIMENSIONS,
    progress: Callable[[int], None] | None = None,
) -> Projection:
    """Embed pictures once and fit the projection of this tower.

    Args:
        tower: as `load_vision_tower` gives it.
        batches: pictures, each batch of shape (n, 256, 256, 3), uint8; read once.
        fitted_on: what the pictures are, for people.
        dimensions: length of the embedding.
        progress: told the number of pictures done since the last call.

    Raises:
        ProjectionError: too few pictures, or a tower that is too narrow.
    """
    return fit_projection(gather_moments(tower, batches, progress=progress), fitted_on=fitted_on, dimensions=dimensions)


def gather_moments(
    tower: SiglipVisionModel, batches: Iterable[NDArray[np.uint8]], *, progress: Callable[[int], None] | None = None
) -> FeatureMoments:
    """Embed pictures once and gather what a projection is fitted on, in constant memory.

    Args:
        tower: as `load_vision_tower` gives it.
        batches: as for `fit_projection_to`.
        progress: as for `fit_projection_to`.
    """
    moments = FeatureMoments(tower.config.hidden_size)
    for features in tower_features(tower, batches):
        moments.add(features)
        if progress is not None:
            progress(len(features))
    return moments
