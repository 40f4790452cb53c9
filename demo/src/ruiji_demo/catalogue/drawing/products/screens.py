"""Smartphones and laptops, and the lit screens of both."""

from __future__ import annotations

import numpy as np

from ruiji_demo.catalogue.colours import Rgb, mix
from ruiji_demo.catalogue.drawing.geometry import box, ellipse, rounded, spline
from ruiji_demo.catalogue.drawing.sketch import Sketch

_SCREEN: Rgb = (28, 32, 42)

_RIM = 0.012
"""Dark edge of a screen."""
_SCREENS: tuple[tuple[Rgb, Rgb], ...] = (
    ((60, 90, 160), (190, 120, 170)),
    ((40, 120, 130), (230, 190, 120)),
    ((70, 60, 120), (230, 120, 90)),
    ((30, 60, 80), (120, 190, 180)),
)


def smartphone(s: Sketch) -> None:
    """Front with a lit screen, back with cameras, or a folding phone."""
    half = s.vary(0.42, 0.48)
    if s.style == "folding":
        s.cloth(box(-0.44, -0.94, 0.44, 0.94, 0.10), height=140)
        lit_screen(s, -0.39, -0.88, 0.39, 0.88, 0.06)
        s.shade([(-0.44, 0.0), (0.44, 0.0)], -54, 0.05)
        s.shade([(-0.40, 0.05), (0.40, 0.05)], 40, 0.04)
        return
    body = box(-half, -0.94, half, 0.94, 0.14)
    s.fill(box(half - 0.02, -0.40, half + 0.025, -0.14, 0.01), s.palette.dark, height=110)
    s.cloth(body, height=140)
    if s.style == "large-screen":
        lit_screen(s, -half + 0.045, -0.89, half - 0.045, 0.89, 0.11)
        s.fill(box(-0.10, -0.84, 0.10, -0.79, 0.025), (16, 16, 20), height=150)
        for row in range(3):
            for column in range(4):
                x, y = (column - 1.5) * half * 0.42, 0.18 + row * 0.20
                tone = mix(
                    ((232, 90, 80), (90, 170, 230), (250, 200, 80), (110, 190, 120))[(row + column) % 4],
                    (255, 255, 255),
                    0.15,
                )
                s.fill(box(x - 0.06, y - 0.06, x + 0.06, y + 0.06, 0.025), tone, height=142)
        return
    s.fill(box(-half + 0.06, -0.87, -half + 0.48, -0.42, 0.10), mix(s.palette.main, s.palette.dark, 0.4), height=170)
    for x, y in ((0.16, -0.76), (0.16, -0.54), (0.36, -0.65)):
        s.fill(ellipse(-half + x, y, 0.085, steps=20), (34, 34, 40), height=200)
        s.fill(ellipse(-half + x, y, 0.045, steps=16), (70, 84, 110), height=190)
    s.shade([(-half + 0.1, 0.84), (half - 0.1, -0.2)], 26, 0.16)


def laptop(s: Sketch) -> None:
    """Open from the front: an everyday clamshell, a thin one, or a thick gaming laptop."""
    top = s.vary(-0.72, -0.62)
    half = 0.74
    bezel, bottom = {"everyday": (0.065, 0.73), "thin": (0.028, 0.69), "gaming": (0.05, 0.80)}[s.style]
    s.cloth(box(-half, top, half, 0.30, 0.05), height=120)
    lit_screen(s, -half + bezel, top + bezel, half - bezel, 0.24, 0.015)
    deck = rounded([(-half, 0.30), (half, 0.30), (0.97, 0.66), (-0.97, 0.66)], 0.03)
    s.cloth(deck, height=150)
    keys: Rgb = (48, 48, 52) if sum(s.palette.main) > 240 else (110, 110, 116)
    if s.style == "gaming":
        keys = s.palette.second_ink
    for row, y in enumerate(np.linspace(0.345, 0.48, 4)):
        reach = half - 0.02 + row * 0.045
        for x in np.linspace(-reach + 0.06, reach - 0.06, 13):
            s.fill(box(x - 0.043, y - 0.014, x + 0.043, y + 0.014), keys, height=160)
    pad = rounded([(-0.20, 0.54), (0.20, 0.54), (0.22, 0.63), (-0.22, 0.63)], 0.015)
    s.fill(pad, mix(s.palette.main, s.palette.dark, 0.4), height=140)
    edge = rounded([(-0.97, 0.66), (0.97, 0.66), (0.95, bottom), (-0.95, bottom)], 0.03)
    s.fill(edge, s.palette.dark, height=130)


def lit_screen(s: Sketch, left: float, top: float, right: float, bottom: float, radius: float) -> None:
    """A wallpaper of two tones under glass."""
    sky, land = _SCREENS[int(s.rng.integers(len(_SCREENS)))]
    s.fill(box(left, top, right, bottom, radius), _SCREEN, height=150)
    west, north, east, south = left + _RIM, top + _RIM, right - _RIM, bottom - _RIM
    s.fill(box(west, north, east, south, radius), sky, height=148)
    middle = (top + bottom) / 2
    ridge = [(west, middle), (left * 0.4, middle + 0.12), (right * 0.4, middle - 0.14), (east, middle + 0.02)]
    shore = [(east, south - radius), (east - radius, south), (west + radius, south), (west, south - radius)]
    s.fill(np.concatenate([spline(ridge, closed=False), shore]), land, height=148)
    s.shade([(left + 0.06, middle), (right - 0.10, top + 0.08)], 26, 0.14)
