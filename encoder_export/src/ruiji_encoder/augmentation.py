"""Small changes to training pictures that leave a product what it is; hue stays, since colour is what shoppers see."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn.functional import affine_grid, grid_sample


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far pictures may be changed; each picture draws its own values."""

    flip: bool = True
    """Mirror half of the pictures left to right. Turn off for products whose lettering or side matters."""
    scale: float = 0.12
    """Zoom in or out by up to this share."""
    shift: float = 0.06
    """Move by up to this share of the side, each way."""
    rotation_degrees: float = 6.0
    """Turn by up to this, each way."""
    brightness: float = 0.08
    """Make lighter or darker by up to this share of the full range."""
    contrast: float = 0.10
    """Pull tones apart or together by up to this share."""


def augment(pixels: torch.Tensor, settings: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """Change each picture of a batch a little.

    What moves in from outside repeats the border, which on product photographs is background.

    Args:
        pixels: as `normalise_pixels` gives them, shape (batch, 3, height, width), float32, in [-1, 1].
        settings: see there.
        generator: source of chance, on the CPU.

    Returns:
        The same shape and range.
    """
    batch = len(pixels)
    mirrored = torch.rand(batch, generator=generator) < (0.5 if settings.flip else 0.0)
    if settings.scale or settings.shift or settings.rotation_degrees:
        moved = _moved(pixels, mirrored, settings, generator)
    else:
        # Mirroring alone needs no resampling, which costs as much as a small tower.
        moved = torch.where(mirrored[:, None, None, None].to(pixels.device), pixels.flip(-1), pixels)
    if not (settings.brightness or settings.contrast):
        return moved
    gain = (1 + _spread(batch, settings.contrast, generator)).to(pixels.device)[:, None, None, None]
    lift = _spread(batch, 2 * settings.brightness, generator).to(pixels.device)[:, None, None, None]
    return (moved * gain + lift).clamp(-1, 1)


def _moved(
    pixels: torch.Tensor, mirrored: torch.Tensor, settings: Augmentation, generator: torch.Generator
) -> torch.Tensor:
    batch = len(pixels)
    zoom = 1 + _spread(batch, settings.scale, generator)
    angle = _spread(batch, math.radians(settings.rotation_degrees), generator)
    mirror = torch.where(mirrored, -1.0, 1.0)
    # affine_grid's coordinates run from -1 to 1, so a share of the side is twice as much there.
    shift_x, shift_y = (_spread(batch, 2 * settings.shift, generator) for _ in range(2))
    transform = torch.stack(
        [
            torch.stack([mirror * zoom * angle.cos(), -zoom * angle.sin(), shift_x], dim=1),
            torch.stack([mirror * zoom * angle.sin(), zoom * angle.cos(), shift_y], dim=1),
        ],
        dim=1,
    ).to(pixels.device)
    grid = affine_grid(transform, list(pixels.shape), align_corners=False)
    return grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def _spread(batch: int, limit: float, generator: torch.Generator) -> torch.Tensor:
    return (torch.rand(batch, generator=generator) * 2 - 1) * limit
