"""From the pixels of `ruiji_encoding.pictures` to what a SigLIP tower takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def normalise_pixels(pixels: torch.Tensor) -> torch.Tensor:
    """Map bytes to [-1, 1] and move the channels first; SigLIP's (x / 255 - 0.5) / 0.5 in one step.

    Part of the exported graph and of training alike.

    Args:
        pixels: RGB, shape (batch, height, width, 3), uint8.

    Returns:
        Shape (batch, 3, height, width), float32.
    """
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1.0
