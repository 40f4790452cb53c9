"""From the pictures that Ruiji decodes to the size that another model takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray


def resized(pictures: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """Resize pictures by Pillow's antialiased bicubic filter.

    Args:
        pictures: shape (n, height, width, 3), uint8.
        side_px: of the square wanted.

    Returns:
        Shape (n, side_px, side_px, 3), uint8.
    """
    square = (side_px, side_px)
    out = np.empty((len(pictures), side_px, side_px, 3), np.uint8)
    for row, picture in enumerate(pictures):
        out[row] = np.asarray(Image.fromarray(picture).resize(square, Image.Resampling.BICUBIC))
    return out
