"""Prints and surfaces: what covers a product's cloth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from ruiji_demo.catalogue.colours import Colour, Palette, Rgb, jitter, mix
from ruiji_demo.catalogue.drawing import raster
from ruiji_demo.catalogue.drawing.geometry import Outline, box, ellipse, moved, outline, rotated, spline

if TYPE_CHECKING:
    from ruiji_demo.catalogue.drawing.view import View


class Pattern(Enum):
    """Prints of cloth and finishes of hard goods, as listings name them in English and Japanese."""

    PLAIN = ("plain", "無地")
    STRIPED = ("striped", "ボーダー")
    PINSTRIPED = ("pinstriped", "ストライプ")
    CHECKED = ("checked", "チェック")
    DOTTED = ("polka dot", "ドット")
    FLORAL = ("floral", "花柄")
    ZIGZAG = ("zigzag", "ジグザグ")
    CAMOUFLAGE = ("camouflage", "迷彩")
    MATTE = ("matte", "マット")
    GLOSSY = ("glossy", "グロッシー")
    METALLIC = ("metallic", "メタリック")
    WOODEN = ("wooden", "木製")

    def __init__(self, english: str, japanese: str) -> None:
        self.english = english
        self.japanese = japanese


Print = list[tuple[Outline, Rgb]]
"""Outlines in product coordinates and their colours, in drawing order."""

_EXTENT = 1.25
"""Prints reach a little beyond the product, which may be turned and tilted."""


def paint(pattern: Pattern, palette: Palette, rng: np.random.Generator, view: View, side_px: int) -> Image.Image | None:
    """Paint a sheet of the pattern as the camera sees it.

    Returns:
        An RGB picture of the given side, or None for surfaces of one colour.
    """
    printer = _PRINTERS.get(pattern)
    if printer is None:
        return None
    sheet = Image.new("RGB", (side_px, side_px), palette.main)
    draw = ImageDraw.Draw(sheet)
    shapes, inks = zip(*printer(palette, rng), strict=True)
    for pixels, ink in zip(view.project_all(shapes, side_px), inks, strict=True):
        raster.fill(draw, pixels, ink)
    return sheet


def _bands(period: float, share: float, rng: np.random.Generator, *, vertical: bool) -> list[Outline]:
    starts = np.arange(-_EXTENT + rng.uniform(0, period), _EXTENT, period)
    bands = [box(-_EXTENT, start, _EXTENT, start + period * share) for start in starts]
    return [band[:, ::-1] for band in bands] if vertical else bands


def _striped(palette: Palette, rng: np.random.Generator) -> Print:
    bands = _bands(rng.uniform(0.15, 0.30), rng.uniform(0.32, 0.55), rng, vertical=False)
    second = palette.second_ink if rng.random() < 0.3 else palette.ink
    return [(band, second if i % 2 else palette.ink) for i, band in enumerate(bands)]


def _pinstriped(palette: Palette, rng: np.random.Generator) -> Print:
    bands = _bands(rng.uniform(0.10, 0.19), rng.uniform(0.16, 0.36), rng, vertical=True)
    return [(band, palette.ink) for band in bands]


def _checked(palette: Palette, rng: np.random.Generator) -> Print:
    period, share = rng.uniform(0.2, 0.38), rng.uniform(0.35, 0.5)
    half = mix(palette.main, palette.ink, 0.5)
    across, down = _bands(period, share, rng, vertical=False), _bands(period, share, rng, vertical=True)
    crossings: Print = []
    for row in across:
        top, bottom = row[0, 1], row[2, 1]
        crossings += [(box(column[0, 0], top, column[2, 0], bottom), palette.ink) for column in down]
    lines: Print = []
    if rng.random() < 0.5:
        thin = _bands(period, 0.07, rng, vertical=False) + _bands(period, 0.07, rng, vertical=True)
        lines = [(line, palette.second_ink) for line in thin]
    return [(band, half) for band in across + down] + crossings + lines


def _lattice(period: float, rng: np.random.Generator, wobble: float) -> Outline:
    """Return points of a staggered lattice in random order of depth, shape (n, 2)."""
    rows = np.arange(-_EXTENT, _EXTENT, period * 0.87)
    columns = np.arange(-_EXTENT, _EXTENT, period)
    x, y = np.meshgrid(columns, rows)
    x[1::2] += period / 2
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    return outline(points + rng.normal(0.0, wobble * period, points.shape) + rng.uniform(-period, period, 2) / 2)


def _dotted(palette: Palette, rng: np.random.Generator) -> Print:
    period = rng.uniform(0.16, 0.30)
    dot = ellipse(0, 0, period * rng.uniform(0.22, 0.32), steps=14)
    return [(dot + centre, palette.ink) for centre in _lattice(period, rng, 0.0)]


def _floral(palette: Palette, rng: np.random.Generator) -> Print:
    period = rng.uniform(0.30, 0.44)
    petals = int(rng.integers(5, 7))
    angle = np.linspace(0, 2 * np.pi, petals * 8, endpoint=False)
    radius = period * 0.33 * (0.62 + 0.38 * np.abs(np.cos(angle * petals / 2)))
    blossom = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    heart = ellipse(0, 0, period * 0.09, steps=10)
    leaf = spline([(0.30, 0.0), (0.42, -0.07), (0.58, 0.0), (0.42, 0.07)], steps=3) * period
    green = jitter(Colour.GREEN.rgb, rng) if rng.random() < 0.7 else palette.second_ink
    pollen: Rgb = (238, 190, 70) if rng.random() < 0.6 else palette.main
    shapes: Print = []
    for i, centre in enumerate(_lattice(period, rng, 0.10)):
        turn = float(rng.uniform(0, 360))
        shapes += [(rotated(leaf, turn + side) + centre, green) for side in (0.0, 150.0)]
        shapes.append((rotated(blossom, turn) + centre, palette.second_ink if i % 3 == 0 else palette.ink))
        shapes.append((heart + centre, pollen))
    return shapes


def _zigzag(palette: Palette, rng: np.random.Generator) -> Print:
    period, tooth = rng.uniform(0.22, 0.34), rng.uniform(0.10, 0.17)
    x = np.arange(-_EXTENT, _EXTENT + tooth, tooth)
    y = np.where(np.arange(len(x)) % 2 == 0, 0.0, tooth)
    thick = period * rng.uniform(0.35, 0.5)
    line = np.concatenate([np.stack([x, y], axis=1), np.stack([x, y + thick], axis=1)[::-1]])
    return [(moved(line, 0.0, top), palette.ink) for top in np.arange(-_EXTENT, _EXTENT, period)]


def _camouflage(palette: Palette, rng: np.random.Generator) -> Print:
    period = rng.uniform(0.30, 0.42)
    tones = (mix(palette.main, (20, 22, 18), 0.45), mix(palette.main, (236, 228, 200), 0.38), palette.dark)
    angle = np.linspace(0, 2 * np.pi, 9, endpoint=False)
    shapes: Print = []
    for tone in tones:
        for centre in _lattice(period * 1.5, rng, 0.22):
            radius = period * rng.uniform(0.22, 0.62, len(angle))
            blob = np.stack([1.35 * radius * np.cos(angle), 0.8 * radius * np.sin(angle)], axis=1)
            shapes.append((spline(blob + centre, steps=3), tone))
    return shapes


def _wooden(palette: Palette, rng: np.random.Generator) -> Print:
    """Grain: wavy lines of uneven tone."""
    x = np.linspace(-_EXTENT, _EXTENT, 14)
    wave, phase = rng.uniform(0.008, 0.03), rng.uniform(0, 6)
    shapes: Print = []
    for top in np.arange(-_EXTENT, _EXTENT, 0.055):
        y = top + wave * np.sin(2.2 * x + phase + 2 * top) + rng.normal(0, 0.006)
        thick = rng.uniform(0.006, 0.024)
        grain = np.concatenate([np.stack([x, y], axis=1), np.stack([x, y + thick], axis=1)[::-1]])
        tone = palette.dark if rng.random() < 0.6 else palette.light
        shapes.append((grain, mix(palette.main, tone, float(rng.uniform(0.25, 0.7)))))
    return shapes


_PRINTERS: Mapping[Pattern, Callable[[Palette, np.random.Generator], Print]] = {
    Pattern.STRIPED: _striped,
    Pattern.PINSTRIPED: _pinstriped,
    Pattern.CHECKED: _checked,
    Pattern.DOTTED: _dotted,
    Pattern.FLORAL: _floral,
    Pattern.ZIGZAG: _zigzag,
    Pattern.CAMOUFLAGE: _camouflage,
    Pattern.WOODEN: _wooden,
}
