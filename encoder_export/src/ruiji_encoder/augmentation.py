"""Small changes to training pictures that leave a product what it is; hue stays, since colour is what shoppers see."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

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


MIRROR_ONLY = Augmentation(scale=0.0, shift=0.0, rotation_degrees=0.0, brightness=0.0, contrast=0.0)
"""Where pictures vary enough by themselves, or where their maps were computed before the run."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What chance asks of each picture of a batch; every tensor has shape (batch,) and is on the CPU."""

    mirrored: torch.Tensor
    """bool."""
    zoom: torch.Tensor
    """Factor."""
    angle: torch.Tensor
    """In radians."""
    shift_x: torch.Tensor
    """In affine_grid's coordinates, which run from -1 to 1."""
    shift_y: torch.Tensor
    """As `shift_x`."""
    gain: torch.Tensor
    """Factor of contrast."""
    lift: torch.Tensor
    """Brightness added to values in [-1, 1]."""
    moves: bool
    """Whether anything but mirroring moves pixels."""
    tones: bool
    """Whether contrast or brightness change."""

    def of(self, rows: slice) -> Changes:
        """Return the changes of some of the pictures."""
        drawn = ("mirrored", "zoom", "angle", "shift_x", "shift_y", "gain", "lift")
        return replace(self, **{name: getattr(self, name)[rows] for name in drawn})


def draw_changes(batch: int, settings: Augmentation, generator: torch.Generator) -> Changes:
    """Draw each picture's changes; drawn for a whole batch, they do not depend on how it is divided afterwards.

    Args:
        batch: number of pictures.
        settings: see there.
        generator: source of chance, on the CPU.
    """
    mirrored = torch.rand(batch, generator=generator) < (0.5 if settings.flip else 0.0)
    return Changes(
        mirrored=mirrored,
        zoom=1 + _spread(batch, settings.scale, generator),
        angle=_spread(batch, math.radians(settings.rotation_degrees), generator),
        # affine_grid's coordinates run from -1 to 1, so a share of the side is twice as much there.
        shift_x=_spread(batch, 2 * settings.shift, generator),
        shift_y=_spread(batch, 2 * settings.shift, generator),
        gain=1 + _spread(batch, settings.contrast, generator),
        lift=_spread(batch, 2 * settings.brightness, generator),
        moves=bool(settings.scale or settings.shift or settings.rotation_degrees),
        tones=bool(settings.brightness or settings.contrast),
    )


def apply_changes(pixels: torch.Tensor, changes: Changes) -> torch.Tensor:
    """Change each picture as it was drawn.

    What moves in from outside repeats the border, which on product photographs is background.

    Args:
        pixels: as `normalise_pixels` gives them, shape (batch, 3, height, width), float32, in [-1, 1].
        changes: of as many pictures.

    Returns:
        The same shape and range.
    """
    if changes.moves:
        moved = _moved(pixels, changes)
    else:
        # Mirroring alone needs no resampling, which costs as much as a small tower.
        moved = torch.where(changes.mirrored[:, None, None, None].to(pixels.device), pixels.flip(-1), pixels)
    if not changes.tones:
        return moved
    gain, lift = (values.to(pixels.device)[:, None, None, None] for values in (changes.gain, changes.lift))
    return (moved * gain + lift).clamp(-1, 1)


def augment(pixels: torch.Tensor, settings: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """Change each picture of a batch a little: `draw_changes`, then `apply_changes`."""
    return apply_changes(pixels, draw_changes(len(pixels), settings, generator))


def _moved(pixels: torch.Tensor, changes: Changes) -> torch.Tensor:
    mirror = torch.where(changes.mirrored, -1.0, 1.0)
    cosine, sine = changes.zoom * changes.angle.cos(), changes.zoom * changes.angle.sin()
    transform = torch.stack(
        [
            torch.stack([mirror * cosine, -sine, changes.shift_x], dim=1),
            torch.stack([mirror * sine, cosine, changes.shift_y], dim=1),
        ],
        dim=1,
    ).to(pixels.device)
    grid = affine_grid(transform, list(pixels.shape), align_corners=False)
    return grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def _spread(batch: int, limit: float, generator: torch.Generator) -> torch.Tensor:
    return (torch.rand(batch, generator=generator) * 2 - 1) * limit
