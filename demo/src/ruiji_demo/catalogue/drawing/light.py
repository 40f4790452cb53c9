"""Light on a product: relief from a height map, drawn folds and reflections, the shadow on the ground.

A light map is an 8-bit picture whose 128 changes nothing; darker values multiply, brighter ones screen (the hard-light
blend), so white cloth can still be shaded and black leather can still shine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

NEUTRAL = 128

FOLD_WIDTH = 0.075
"""Drawn light that is finer than this, in product coordinates, is a fold or an edge; wider light is a bloom."""
FOLD_BLUR = ImageFilter.BoxBlur(1.6)
BLOOM_BLUR = ImageFilter.GaussianBlur(5)
"""What drawn light passes through, so that it has no hard edge."""

_SHADOW_PX = 80
"""Shadows are blurred at this side: soft ones have no more detail."""


@dataclass(frozen=True, slots=True)
class Lamp:
    """The one light of a scene."""

    direction: tuple[float, float]
    """Unit vector towards the light in the picture plane, y downwards."""
    hardness: float
    """0 (overcast) to 1 (flash): strength of relief and shadow."""
    tint: tuple[float, float, float]
    """White balance, factors near 1."""


def make_lamp(rng: np.random.Generator) -> Lamp:
    """Hang a lamp above, left or right."""
    angle = rng.uniform(np.radians(205), np.radians(335))
    warmth = rng.normal(0.0, 0.014)
    return Lamp(
        direction=(float(np.cos(angle)), float(np.sin(angle))),
        hardness=float(rng.uniform(0.35, 1.0)),
        tint=(1 + warmth, 1.0, 1 - warmth),
    )


def relief(height: Image.Image, lamp: Lamp, *, shine: float) -> Image.Image:
    """Shade a height map.

    Args:
        height: mode L.
        lamp: where light comes from.
        shine: 0 (cloth) to 1 (polished): highlights of the edges that face the lamp.

    Returns:
        A light map of the same size, mode L.
    """
    fine = _slope(height.filter(ImageFilter.GaussianBlur(2.2)), lamp)
    broad = _slope(height.filter(ImageFilter.GaussianBlur(8)), lamp)
    facing = fine * 3.0 + broad * 7.0
    light = facing * (0.45 + 0.55 * lamp.hardness)
    light = np.where(light > 0, light * (0.55 + 0.75 * shine), light * 0.95)
    return Image.fromarray(np.clip(NEUTRAL + light, 30, 236).astype(np.uint8))


def combine(maps: list[Image.Image]) -> Image.Image:
    """Add light maps of one size, mode L."""
    total = maps[0]
    for other in maps[1:]:
        total = ImageChops.add(total, other, scale=1.0, offset=-NEUTRAL)
    return total


def expose(picture: Image.Image, light: Image.Image, lamp: Lamp, exposure: float) -> Image.Image:
    """Apply a light map, the white balance and the exposure to an RGB picture."""
    curve = np.outer(np.asarray(lamp.tint) * exposure, np.arange(256)).round().clip(0, 255).astype(int)
    tinted = Image.merge("RGB", (light, light, light)).point(curve.ravel().tolist())
    return ImageChops.hard_light(picture, tinted)


def cast_shadow(alpha: Image.Image, lamp: Lamp, rng: np.random.Generator, *, standing: bool) -> Image.Image:
    """Throw a product's shadow on its ground.

    Args:
        alpha: where the product is, mode L.
        lamp: where light comes from.
        rng: draws how soft and how far.
        standing: on a table, else against a wall or on the ground.

    Returns:
        A light map of the size of `alpha`, mode L.
    """
    small = alpha.reduce(alpha.width // _SHADOW_PX)
    if standing:
        darkness = _ground_shadow(small, lamp, rng)
    else:
        far = rng.uniform(0.015, 0.035) * _SHADOW_PX
        behind = _moved(small, -lamp.direction[0] * far, -lamp.direction[1] * far)
        soft = behind.filter(ImageFilter.GaussianBlur(rng.uniform(1.2, 2.4)))
        tight = small.filter(ImageFilter.GaussianBlur(0.9))
        darkness = ImageChops.lighter(soft.point(lambda v: v * 0.55), tight.point(lambda v: v * 0.4))
    strength = 0.5 + 0.5 * lamp.hardness
    shaded = darkness.point(lambda v: round(NEUTRAL * (1 - v * strength / 255)))
    return shaded.resize(alpha.size, Image.Resampling.BILINEAR)


def _ground_shadow(small: Image.Image, lamp: Lamp, rng: np.random.Generator) -> Image.Image:
    """The silhouette laid flat on the ground behind the product's feet, and the dark line where it touches."""
    bounds = small.getbbox()
    if bounds is None:
        return small
    _, top, _, bottom = bounds
    flat = rng.uniform(0.12, 0.22)
    lean = lamp.direction[0] * rng.uniform(0.3, 0.7)
    # Affine of Image.transform maps output to input: rows near the feet come from far up the silhouette.
    coefficients = (1.0, lean / flat * 0.5, -lean / flat * 0.5 * bottom, 0.0, 1 / flat, bottom - bottom / flat - 1.0)
    laid = small.transform(small.size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)
    feet = small.copy()
    feet.paste(0, (0, 0, _SHADOW_PX, max(top, bottom - 4)))
    contact = _moved(feet, 0.0, 1.2).filter(ImageFilter.GaussianBlur(1.3))
    laid = laid.filter(ImageFilter.GaussianBlur(rng.uniform(1.5, 2.6)))
    return ImageChops.lighter(laid.point(lambda v: v * 0.42), contact.point(lambda v: v * 0.7))


def _moved(image: Image.Image, dx: float, dy: float) -> Image.Image:
    return image.transform(
        image.size, Image.Transform.AFFINE, (1.0, 0.0, -dx, 0.0, 1.0, -dy), Image.Resampling.BILINEAR
    )


def _slope(height: Image.Image, lamp: Lamp) -> NDArray[np.float32]:
    """Return how much the surface faces the lamp: positive where it falls away towards the light."""
    values = np.asarray(height, dtype=np.float32)
    down, across = np.zeros_like(values), np.zeros_like(values)
    down[1:-1] = values[2:] - values[:-2]
    across[:, 1:-1] = values[:, 2:] - values[:, :-2]
    slope: NDArray[np.float32] = -(across * lamp.direction[0] + down * lamp.direction[1]) * np.float32(0.5)
    return slope
