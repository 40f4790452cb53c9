"""Prints and surfaces: what covers a product's cloth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ruiji_demo.catalogue.colours import Colour, Palette, Rgb, jitter, mix
from ruiji_demo.catalogue.drawing import raster
from ruiji_demo.catalogue.drawing.geometry import Outline, box, ellipse, moved, outline, spline

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


@dataclass(frozen=True, slots=True)
class Area:
    """The part of the product plane that a print must cover."""

    left: float
    top: float
    right: float
    bottom: float


def paint(
    pattern: Pattern, palette: Palette, rng: np.random.Generator, view: View, side_px: int, area: Area
) -> Image.Image | None:
    """Paint a sheet of the pattern as the camera sees it.

    Returns:
        An RGB picture of the given side, or None for surfaces of one colour.
    """
    printer = _PRINTERS.get(pattern)
    if printer is None:
        return None
    sheet = Image.new("RGB", (side_px, side_px), palette.main)
    draw = ImageDraw.Draw(sheet)
    shapes, inks = zip(*printer(palette, rng, area), strict=True)
    for pixels, ink in zip(view.project_all(shapes, side_px), inks, strict=True):
        raster.fill(draw, pixels, ink)
    return sheet


def _rows(area: Area, period: float, share: float, rng: np.random.Generator) -> list[Outline]:
    starts = np.arange(area.top - rng.uniform(0, period), area.bottom, period)
    return [box(area.left, start, area.right, start + period * share) for start in starts]


def _columns(area: Area, period: float, share: float, rng: np.random.Generator) -> list[Outline]:
    starts = np.arange(area.left - rng.uniform(0, period), area.right, period)
    return [box(start, area.top, start + period * share, area.bottom) for start in starts]


def _stamps(shape: Outline, centres: Outline, turns: NDArray[np.float64]) -> list[Outline]:
    """Copy a shape to each centre, turned by as many radians."""
    cosine, sine = np.cos(turns), np.sin(turns)
    turn = np.stack([np.stack([cosine, sine], axis=-1), np.stack([-sine, cosine], axis=-1)], axis=-2)
    return list(shape @ turn + centres[:, None])


def _striped(palette: Palette, rng: np.random.Generator, area: Area) -> Print:
    bands = _rows(area, rng.uniform(0.15, 0.30), rng.uniform(0.32, 0.55), rng)
    second = palette.second_ink if rng.random() < 0.3 else palette.ink
    return [(band, second if i % 2 else palette.ink) for i, band in enumerate(bands)]


def _pinstriped(palette: Palette, rng: np.random.Generator, area: Area) -> Print:
    bands = _columns(area, rng.uniform(0.10, 0.19), rng.uniform(0.16, 0.36), rng)
    return [(band, palette.ink) for band in bands]


def _checked(palette: Palette, rng: np.random.Generator, area: Area) -> Print:
    period, share = rng.uniform(0.2, 0.38), rng.uniform(0.35, 0.5)
    half = mix(palette.main, palette.ink, 0.5)
    across, down = _rows(area, period, share, rng), _columns(area, period, share, rng)
    crossings: Print = []
    for row in across:
        top, bottom = row[0, 1], row[2, 1]
        crossings += [(box(column[0, 0], top, column[2, 0], bottom), palette.ink) for column in down]
    lines: Print = []
    if rng.random() < 0.5:
        thin = [*_rows(area, period, 0.07, rng), *_columns(area, period, 0.07, rng)]
        lines = [(line, palette.second_ink) for line in thin]
    return [(band, half) for band in across + down] + crossings + lines


def _lattice(area: Area, period: float, rng: np.random.Generator, wobble: float) -> Outline:
    """Return points of a staggered lattice that covers the area, shape (n, 2)."""
    rows = np.arange(area.top - rng.uniform(0, period), area.bottom + period / 2, period * 0.87)
    columns = np.arange(area.left - rng.uniform(0.5, 1.0) * period, area.right + period / 2, period)
    x, y = np.meshgrid(columns, rows)
    x[1::2] += period / 2
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    return outline(points + rng.normal(0.0, wobble * period, points.shape))


def _dotted(palette: Palette, rng: np.random.Generator, area: Area) -> Print:
    period = rng.uniform(0.16, 0.30)
    dot = ellipse(0, 0, period * rng.uniform(0.22, 0.32), steps=14)
    return [(dot + centre, palette.ink) for centre in _lattice(area, period, rng, 0.0)]


def _floral(palette: Palette, rng: np.random.Generator, area: Area) -> Print:
    period = rng.uniform(0.30, 0.44)
    petals = int(rng.integers(5, 7))
    angle = np.linspace(0, 2 * np.pi, petals * 8, endpoint=False)
    radius = period * 0.33 * (0.62 + 0.38 * np.abs(np.cos(angle * petals / 2)))
    blossom = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    heart = ellipse(0, 0, period * 0.09, steps=10)
    leaf = spline([(0.30, 0.0), (0.42, -0.07), (0.58, 0.0), (0.42, 0.07)], steps=3) * period
    green = jitter(Colour.GREEN.rgb, rng) if rng.random() < 0.7 else palette.second_ink
    pollen: Rgb = (238, 190, 70) if rng.random() < 0.6 else palette.main
    centres = _lattice(area, period, rng, 0.10)
    turns = rng.uniform(0, 2 * np.pi, len(centres))
    leaves = _stamps(leaf, centres, turns) + _stamps(leaf, centres, turns + 2.6)
    blossoms = _stamps(blossom, centres, turns)
    return [
        *((shape, green) for shape in leaves),
        *((shape, palette.second_ink if i % 3 == 0 else palette.ink) for i, shape in enumerate(blossoms)),
        *((heart + centre, pollen) for centre in centres),
    ]


def _zigzag(palette: Palette, rng: np.random.Generator, area: Area) -> Print:
    period, tooth = rng.uniform(0.22, 0.34), rng.uniform(0.10, 0.17)
    x = np.arange(area.left - tooth, area.right + tooth, tooth)
    y = np.where(np.arange(len(x)) % 2 == 0, 0.0, tooth)
    thick = period * rng.uniform(0.35, 0.5)
    line = np.concatenate([np.stack([x, y], axis=1), np.stack([x, y + thick], axis=1)[::-1]])
    return [(moved(line, 0.0, top), palette.ink) for top in np.arange(area.top - period, area.bottom, period)]


def _camouflage(palette: Palette, rng: np.random.Generator, area: Area) -> Print:
    period = rng.uniform(0.30, 0.42)
    tones = (mix(palette.main, (20, 22, 18), 0.45), mix(palette.main, (236, 228, 200), 0.38), palette.dark)
    angle = np.linspace(0, 2 * np.pi, 9, endpoint=False)
    shapes: Print = []
    for tone in tones:
        radius = period * rng.uniform(0.22, 0.62, len(angle))
        blob = spline(np.stack([1.35 * radius * np.cos(angle), 0.8 * radius * np.sin(angle)], axis=1), steps=4)
        centres = _lattice(area, period * 1.5, rng, 0.22)
        turns = rng.choice([0.0, np.pi], len(centres)) + rng.normal(0.0, 0.25, len(centres))
        shapes += [(shape, tone) for shape in _stamps(blob, centres, turns)]
    return shapes


def _wooden(palette: Palette, rng: np.random.Generator, area: Area) -> Print:
    """Grain: wavy lines of uneven tone."""
    x = np.linspace(area.left, area.right, 14)
    wave, phase = rng.uniform(0.008, 0.03), rng.uniform(0, 6)
    shapes: Print = []
    for top in np.arange(area.top - 0.05, area.bottom + 0.05, 0.055):
        y = top + wave * np.sin(2.2 * x + phase + 2 * top) + rng.normal(0, 0.006)
        thick = rng.uniform(0.006, 0.024)
        grain = np.concatenate([np.stack([x, y], axis=1), np.stack([x, y + thick], axis=1)[::-1]])
        tone = palette.dark if rng.random() < 0.6 else palette.light
        shapes.append((grain, mix(palette.main, tone, float(rng.uniform(0.25, 0.7)))))
    return shapes


_PRINTERS: Mapping[Pattern, Callable[[Palette, np.random.Generator, Area], Print]] = {
    Pattern.STRIPED: _striped,
    Pattern.PINSTRIPED: _pinstriped,
    Pattern.CHECKED: _checked,
    Pattern.DOTTED: _dotted,
    Pattern.FLORAL: _floral,
    Pattern.ZIGZAG: _zigzag,
    Pattern.CAMOUFLAGE: _camouflage,
    Pattern.WOODEN: _wooden,
}
