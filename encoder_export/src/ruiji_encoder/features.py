"""A tower's features over many pictures, and the projection fitted on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

import numpy as np
import torch

from ruiji_encoder.backbones.trunk_rows import chosen_views, is_trunk_rows
from ruiji_encoder.pixels import normalise_pixels
from ruiji_encoder.projection import EMBEDDING_DIMENSIONS, FeatureMoments, Projection, fit_projection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from ruiji_encoder.catalogue import CaptionedPictures
    from ruiji_encoder.checkpoints import VisionTower
    from ruiji_encoder.training.batches import TrainingData


@overload
def batches_of(data: CaptionedPictures, batch_size: int) -> Iterator[NDArray[np.uint8]]: ...
@overload
def batches_of(data: TrainingData, batch_size: int) -> Iterator[NDArray[np.uint8] | NDArray[np.float16]]: ...
def batches_of(data: TrainingData, batch_size: int) -> Iterator[NDArray[np.uint8] | NDArray[np.float16]]:
    """Yield all pictures in order, in batches of shape (n, 256, 256, 3), uint8; or a trunk's rows."""
    for start in range(0, len(data), batch_size):
        yield data.pictures(np.arange(start, min(start + batch_size, len(data))))


@torch.inference_mode()
def tower_features(
    tower: VisionTower, batches: Iterable[NDArray[np.uint8]] | Iterable[NDArray[np.uint8] | NDArray[np.float16]]
) -> Iterator[NDArray[np.float32]]:
    """Yield the tower's pooled output for each batch of pictures, or of its trunk's rows, shape (n, D), float32."""
    device = next(tower.parameters()).device
    for batch in batches:
        inputs = torch.from_numpy(batch)
        if is_trunk_rows(inputs):
            answer = tower(trunk_rows=chosen_views(inputs, None).to(device))
        else:
            answer = tower(pixel_values=normalise_pixels(inputs.to(device)))
        features: NDArray[np.float32] = answer.pooler_output.cpu().numpy()
        yield features


def fit_projection_to(
    tower: VisionTower,
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
    tower: VisionTower,
    batches: Iterable[NDArray[np.uint8]] | Iterable[NDArray[np.uint8] | NDArray[np.float16]],
    *,
    progress: Callable[[int], None] | None = None,
) -> FeatureMoments:
    """Embed pictures once and gather what a projection is fitted on, in constant memory.

    Args:
        tower: as `load_vision_tower` gives it.
        batches: as for `fit_projection_to`, or a trunk's rows.
        progress: as for `fit_projection_to`.
    """
    moments = FeatureMoments(tower.config.hidden_size)
    for features in tower_features(tower, batches):
        moments.add(features)
        if progress is not None:
            progress(len(features))
    return moments
