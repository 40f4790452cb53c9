"""What all encoders have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class PictureEncoder(Protocol):
    """Turns pictures into features; cosines are taken of them, or of their projection."""

    @property
    def key(self) -> str:
        """Name of what decides the answers: weights, preprocessing and precision, as letters, digits and dashes."""
        ...

    @property
    def description(self) -> str:
        """One line for the report."""
        ...

    def features(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return one feature vector for each picture.

        Args:
            pictures: RGB as `ruiji_encoding.pictures.decode_picture` gives them, shape (n, 256, 256, 3), uint8.

        Returns:
            Shape (n, D), float32, of any length.

        Raises:
            EncoderUnavailable: the encoder does not answer with one vector for each picture.
        """
        ...
