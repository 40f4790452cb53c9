"""The camera: from product coordinates to pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ruiji_demo.catalogue.drawing.geometry import Outline


@dataclass(frozen=True, slots=True)
class View:
    """A projective camera: turn, size, place and a slight perspective."""

    matrix: NDArray[np.float64]
    """Shape (3, 3): homogeneous product coordinates to pixels of a frame of side 1."""
    unit: float
    """Length of one product unit at the centre of the frame, as a share of the frame's side."""

    def project_all(self, outlines: Sequence[Outline], side_px: float = 1.0) -> list[Outline]:
        """Return each outline in pixels of a frame of the given side.

        All points are projected in one product: an item has a hundred short outlines, and numpy is slow to start.
        """
        ends = np.cumsum([len(outline) for outline in outlines])
        homogeneous = np.concatenate(outlines) @ self.matrix[:, :2].T + self.matrix[:, 2]
        projected = homogeneous[:, :2] * (side_px / homogeneous[:, 2:])
        return [projected[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def make_view(
    *,
    turn_degrees: float,
    size: float,
    focus: tuple[float, float],
    centre: tuple[float, float],
    tilt: tuple[float, float],
    mirrored: bool,
) -> View:
    """Place the camera.

    Args:
        turn_degrees: clockwise turn of the product.
        size: length of a product unit as a share of the frame's side; 0.5 lets a product touch the frame.
        focus: the point of the product to aim at.
        centre: where that point falls, as shares of the frame.
        tilt: perspective across and down; 0.1 makes the near edge about a fifth larger than the far one.
        mirrored: show the product from its other side.
    """
    angle = np.radians(turn_degrees)
    cosine, sine = np.cos(angle) * size, np.sin(angle) * size
    place = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    lens = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [tilt[0] / size / 2, tilt[1] / size / 2, 1.0]])
    shift = np.array([[1.0, 0.0, centre[0]], [0.0, 1.0, centre[1]], [0.0, 0.0, 1.0]])
    face = np.diag([-1.0 if mirrored else 1.0, 1.0, 1.0])
    aim = np.array([[1.0, 0.0, -focus[0]], [0.0, 1.0, -focus[1]], [0.0, 0.0, 1.0]])
    return View(matrix=shift @ face @ lens @ place @ aim, unit=size)
