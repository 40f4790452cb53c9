"""Pictures themselves as vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ruiji_encoding.pictures import PREPROCESSING

from ruiji_evaluation.encoders.resizing import resized

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MIDDLE_GREY = 127.5


class RawPixels:
    """A thumbnail's colours around middle grey. Cosines of it see layout and colour, and no thing."""

    def __init__(self, side_px: int) -> None:
        self._side_px = side_px
        self.key = f"pixels-{side_px}-{PREPROCESSING}"
        self.description = f"raw pixels, {side_px} x {side_px}"

    def features(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return shape (n, side * side * 3), float32."""
        small = resized(pictures, self._side_px).astype(np.float32) - np.float32(_MIDDLE_GREY)
        return small.reshape(len(pictures), -1)
