"""Named colours, and the palette that one item wears."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import numpy as np

Rgb: TypeAlias = tuple[int, int, int]


class Colour(Enum):
    """Colours as listings name them: English, Japanese and a typical sRGB value."""

    BLACK = ("black", "ブラック", (38, 38, 42))
    WHITE = ("white", "ホワイト", (240, 239, 236))
    GREY = ("grey", "グレー", (142, 144, 149))
    NAVY = ("navy", "ネイビー", (36, 50, 96))
    BLUE = ("blue", "ブルー", (52, 112, 204))
    TURQUOISE = ("turquoise", "ターコイズ", (48, 172, 176))
    GREEN = ("green", "グリーン", (62, 136, 78))
    YELLOW = ("yellow", "イエロー", (240, 200, 62))
    ORANGE = ("orange", "オレンジ", (234, 126, 44))
    RED = ("red", "レッド", (202, 44, 48))
    PINK = ("pink", "ピンク", (240, 150, 176))
    PURPLE = ("purple", "パープル", (126, 80, 166))
    BROWN = ("brown", "ブラウン", (122, 80, 52))
    BEIGE = ("beige", "ベージュ", (216, 196, 164))

    def __init__(self, english: str, japanese: str, rgb: Rgb) -> None:
        self.english = english
        self.japanese = japanese
        self.rgb = rgb


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one item."""

    main: Rgb
    """The named colour, with the dye lot's own jitter."""
    light: Rgb
    """The main colour, lit."""
    dark: Rgb
    """The main colour, shaded."""
    seam: Rgb
    """Sewing and edges on the main colour: darker, or lighter where the main colour is near black."""
    ink: Rgb
    """What a pattern is printed in; stands out from the main colour."""
    second_ink: Rgb
    """A second colour of the print."""
    trim: Rgb
    """Soles, straps, lining, handles: a neutral."""
    metal: Rgb
    """Buckles, zips, frames: silver, gold or black."""
    wood: Rgb
    """Legs, handles, fretboards."""


_TRIMS: tuple[Rgb, ...] = ((243, 241, 236), (232, 224, 208), (52, 50, 52), (150, 106, 70), (104, 72, 50))
_METALS: tuple[Rgb, ...] = ((196, 198, 202), (212, 176, 104), (70, 70, 76))
_WOODS: tuple[Rgb, ...] = ((196, 150, 100), (160, 108, 66), (112, 74, 48), (214, 178, 132))
_MIN_CONTRAST = 90.0
"""Least distance in sRGB of a print from its ground, so that the eye sees the pattern."""


def jitter(rgb: Rgb, rng: np.random.Generator, amount: float = 1.0) -> Rgb:
    """Vary hue, saturation and value a little, as dyes and cameras do; the name stays true."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(channel / 255 for channel in rgb))
    hue = (hue + rng.normal(0.0, 0.010 * amount)) % 1.0
    saturation = min(1.0, max(0.0, saturation * (1 + rng.normal(0.0, 0.07 * amount))))
    value = min(0.97, max(0.08, value * (1 + rng.normal(0.0, 0.05 * amount))))
    return _rgb(*colorsys.hsv_to_rgb(hue, saturation, value))


def mix(a: Rgb, b: Rgb, share: float) -> Rgb:
    """Return the colour at this share of the way from a to b."""
    return (
        round(a[0] + (b[0] - a[0]) * share),
        round(a[1] + (b[1] - a[1]) * share),
        round(a[2] + (b[2] - a[2]) * share),
    )


def luminance(rgb: Rgb) -> float:
    """Return perceived brightness, 0 to 255 (ITU-R BT.601 weights)."""
    return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]


def palette_of(colour: Colour, rng: np.random.Generator) -> Palette:
    """Dress an item in a named colour."""
    main = jitter(colour.rgb, rng)
    near_black = luminance(main) < 70
    ink = _ink(main, rng)
    return Palette(
        main=main,
        light=mix(main, (255, 255, 255), 0.28),
        dark=mix(main, (12, 10, 16), 0.34),
        seam=mix(main, (255, 255, 255), 0.20) if near_black else mix(main, (20, 16, 20), 0.30),
        ink=ink,
        second_ink=_ink(main, rng),
        trim=_TRIMS[int(rng.integers(len(_TRIMS)))],
        metal=_METALS[int(rng.integers(len(_METALS)))],
        wood=jitter(_WOODS[int(rng.integers(len(_WOODS)))], rng),
    )


def _ink(ground: Rgb, rng: np.random.Generator) -> Rgb:
    """Mostly a neutral that contrasts with the ground, else any colour that does."""
    neutral = (46, 46, 58) if luminance(ground) > 150 else (244, 242, 236)
    if rng.random() < 0.55:
        return neutral
    colours = [colour.rgb for colour in Colour]
    candidate = jitter(colours[int(rng.integers(len(colours)))], rng)
    return candidate if float(np.linalg.norm(np.subtract(candidate, ground))) >= _MIN_CONTRAST else neutral


def _rgb(red: float, green: float, blue: float) -> Rgb:
    return (round(red * 255), round(green * 255), round(blue * 255))
