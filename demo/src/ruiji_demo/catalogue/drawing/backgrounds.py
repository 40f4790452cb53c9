"""Where sellers photograph: studio, coloured paper, a wall and a table, wooden boards, a bed sheet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from ruiji_demo.catalogue.colours import Rgb, jitter, mix
from ruiji_demo.catalogue.drawing.sketch import Pose

_GRADIENT_PX = 40
"""Gradients are painted this small and enlarged: they have no detail to lose."""

_PAPERS: tuple[Rgb, ...] = (
    (232, 214, 206),
    (206, 222, 230),
    (214, 226, 208),
    (236, 226, 196),
    (222, 212, 232),
    (190, 200, 196),
)
_WALLS: tuple[Rgb, ...] = ((236, 232, 224), (214, 220, 222), (226, 214, 200), (196, 206, 198), (232, 222, 226))
_TABLES: tuple[Rgb, ...] = ((196, 160, 118), (168, 128, 90), (226, 216, 200), (120, 92, 72), (205, 203, 200))
_BOARDS: tuple[Rgb, ...] = ((206, 176, 136), (178, 140, 100), (226, 214, 196), (136, 106, 80), (190, 184, 176))


def paint(pose: Pose, rng: np.random.Generator, side_px: int, feet: float) -> Image.Image:
    """Paint a background.

    Args:
        pose: what the product does there; it does not stand on a bed sheet.
        rng: draws the scene.
        side_px: side of the picture.
        feet: height of the product's lowest point, as a share of the side; a table reaches above it.

    Returns:
        An RGB picture.
    """
    names = tuple(_SHARES[pose])
    name = names[int(rng.choice(len(names), p=list(_SHARES[pose].values())))]
    return _SCENES[name](rng, side_px, feet)


def _gradient(rng: np.random.Generator, rgb: Rgb, side_px: int, strength: float) -> Image.Image:
    """A paper that is lit from one side and darkens towards the corners."""
    axis = np.linspace(-1.0, 1.0, _GRADIENT_PX)
    angle = rng.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * axis[None, :] + np.sin(angle) * axis[:, None]
    corner = axis[None, :] ** 2 + axis[:, None] ** 2
    light = 1.0 + strength * (0.5 * slope - 0.35 * corner)
    pixels = np.clip(np.asarray(rgb) * light[..., None], 0, 255).astype(np.uint8)
    return Image.fromarray(pixels).resize((side_px, side_px), Image.Resampling.BILINEAR)


def _studio(rng: np.random.Generator, side_px: int, _feet: float) -> Image.Image:
    level = int(rng.integers(240, 256))
    return _gradient(rng, (level, level, level), side_px, rng.uniform(0.01, 0.06))


def _grey(rng: np.random.Generator, side_px: int, _feet: float) -> Image.Image:
    level = int(rng.integers(176, 226))
    return _gradient(rng, (level, level, level + 3), side_px, rng.uniform(0.06, 0.16))


def _paper(rng: np.random.Generator, side_px: int, _feet: float) -> Image.Image:
    return _gradient(rng, jitter(_choose(_PAPERS, rng), rng, 1.5), side_px, rng.uniform(0.04, 0.12))


def _room(rng: np.random.Generator, side_px: int, feet: float) -> Image.Image:
    """A wall above a table or floor."""
    scene = _gradient(rng, jitter(_choose(_WALLS, rng), rng), side_px, rng.uniform(0.06, 0.14))
    draw = ImageDraw.Draw(scene)
    table = jitter(_choose(_TABLES, rng), rng)
    horizon = round(side_px * (feet - rng.uniform(0.06, 0.22)))
    draw.rectangle((0, horizon, side_px, side_px), fill=table)
    draw.line((0, horizon, side_px, horizon), fill=mix(table, (40, 30, 26), 0.3), width=max(1, side_px // 220))
    if rng.random() < 0.5:
        _grain(draw, rng, table, (0, horizon + side_px // 50, side_px, side_px), side_px // 22)
    return scene


def _boards(rng: np.random.Generator, side_px: int, _feet: float) -> Image.Image:
    """Wooden boards seen from above."""
    wood = jitter(_choose(_BOARDS, rng), rng)
    scene = Image.new("RGB", (side_px, side_px), wood)
    draw = ImageDraw.Draw(scene)
    edges = np.linspace(0, side_px, int(rng.integers(4, 8)))
    for left, right in pairwise(edges):
        tone = mix(wood, (70, 50, 36) if rng.random() < 0.5 else (250, 240, 226), float(rng.uniform(0, 0.16)))
        draw.rectangle((left, 0, right, side_px), fill=tone)
        for _ in range(5):
            x = rng.uniform(left, right)
            draw.line((x, 0, x + rng.normal(0, 4), side_px), fill=mix(tone, (80, 56, 40), 0.12), width=1)
        draw.line((right, 0, right, side_px), fill=mix(tone, (40, 28, 20), 0.45), width=max(1, side_px // 200))
    return scene.transpose(Image.Transpose.ROTATE_90) if rng.random() < 0.4 else scene


def _sheet(rng: np.random.Generator, side_px: int, _feet: float) -> Image.Image:
    """A bed sheet with soft folds."""
    axis = np.linspace(0.0, 1.0, _GRADIENT_PX + 20)
    angle, waves = rng.uniform(0, np.pi), rng.uniform(9, 20)
    along = np.cos(angle) * axis[None, :] + np.sin(angle) * axis[:, None]
    across = -np.sin(angle) * axis[None, :] + np.cos(angle) * axis[:, None]
    folds = np.sin(waves * along + 2.5 * np.sin(4 * across + rng.uniform(0, 6))) + 0.6 * np.sin(waves * 1.7 * along)
    base = np.asarray(jitter(_choose((*_WALLS, (244, 242, 240)), rng), rng))
    pixels = np.clip(base * (1 + 0.028 * folds[..., None]), 0, 255).astype(np.uint8)
    return Image.fromarray(pixels).resize((side_px, side_px), Image.Resampling.BILINEAR)


def _grain(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, rgb: Rgb, area: tuple[int, int, int, int], lines: int
) -> None:
    left, top, right, bottom = area
    for y in rng.uniform(top, bottom, lines):
        draw.line((left, y, right, y + rng.normal(0, 2)), fill=mix(rgb, (60, 40, 26), float(rng.uniform(0.06, 0.2))))


def _choose(colours: tuple[Rgb, ...], rng: np.random.Generator) -> Rgb:
    return colours[int(rng.integers(len(colours)))]


_SCENES: Mapping[str, Callable[[np.random.Generator, int, float], Image.Image]] = {
    "studio": _studio,
    "grey": _grey,
    "paper": _paper,
    "room": _room,
    "boards": _boards,
    "sheet": _sheet,
}

_SHARES: Mapping[Pose, Mapping[str, float]] = {
    Pose.STANDING: {"studio": 0.34, "grey": 0.14, "paper": 0.18, "room": 0.34},
    Pose.HANGING: {"studio": 0.4, "grey": 0.25, "paper": 0.35},
    Pose.LYING: {"studio": 0.34, "grey": 0.14, "paper": 0.16, "boards": 0.20, "sheet": 0.16},
}
