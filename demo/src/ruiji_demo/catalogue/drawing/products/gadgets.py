"""Cameras and game controllers."""

from __future__ import annotations

import numpy as np

from ruiji_demo.catalogue.drawing.geometry import box, ellipse, flipped, rounded, spline
from ruiji_demo.catalogue.drawing.products.screens import lit_screen
from ruiji_demo.catalogue.drawing.sketch import Sketch


def camera(s: Sketch) -> None:
    """Mirrorless, retro film camera, or an instant camera."""
    if s.style == "instant":
        _instant_camera(s)
        return
    top = -0.42
    if s.style == "mirrorless":
        s.fill(
            rounded([(-0.30, top - 0.24), (0.26, top - 0.24), (0.38, top + 0.06), (-0.40, top + 0.06)], 0.06),
            (60, 60, 64),
            height=140,
        )
    else:
        s.fill(box(-0.24, top - 0.16, 0.24, top + 0.06, 0.03), s.palette.metal, height=140)
    for x, half in ((-0.66, 0.12), (0.62, 0.15), (0.36, 0.08)):
        s.fill(box(x - half, top - 0.12, x + half, top + 0.04, 0.03), s.palette.metal, height=150)
    s.fill(box(-0.94, top, 0.94, 0.56, 0.12), s.palette.metal if s.style == "retro" else (62, 62, 66), height=130)
    s.cloth(box(-0.94, top + 0.18, 0.94, 0.44, 0.04), height=140)
    s.fill(box(-0.86, top + 0.03, -0.60, top + 0.14, 0.03), (210, 214, 220), height=150)
    for radius, tone, height in (
        (0.44, (50, 50, 54), 190),
        (0.37, (84, 84, 90), 210),
        (0.30, (30, 32, 40), 190),
        (0.19, (44, 54, 92), 170),
        (0.09, (18, 18, 26), 150),
    ):
        s.fill(ellipse(0.02, 0.10, radius), tone, height=height)
    s.shade(ellipse(-0.08, 0.0, 0.08, 0.06), 90)
    s.shade(ellipse(0.12, 0.20, 0.05, 0.04), 50)
    s.fill(ellipse(0.74, top + 0.10, 0.05, steps=14), (190, 60, 50), height=160)


def _instant_camera(s: Sketch) -> None:
    s.cloth(rounded([(-0.68, -0.66), (0.68, -0.66), (0.84, 0.66), (-0.84, 0.66)], 0.16), height=140)
    s.fill(box(-0.74, 0.50, 0.74, 0.60, 0.02), (50, 50, 54), height=90)
    for radius, tone, height in (
        (0.40, s.palette.trim, 180),
        (0.31, (52, 52, 58), 200),
        (0.18, (34, 40, 66), 170),
        (0.08, (16, 16, 22), 150),
    ):
        s.fill(ellipse(0.0, 0.02, radius), tone, height=height)
    s.fill(box(0.30, -0.56, 0.56, -0.38, 0.04), (230, 234, 240), height=160)
    s.fill(box(-0.56, -0.56, -0.34, -0.38, 0.04), (40, 42, 52), height=120)
    s.fill(ellipse(-0.56, 0.04, 0.08, steps=18), s.palette.ink, height=190)
    s.shade(ellipse(-0.07, -0.06, 0.06, 0.05), 90)


def game_controller(s: Sketch) -> None:
    """Gamepad with two grips, handheld console, or an arcade stick."""
    if s.style == "handheld":
        s.cloth(box(-0.97, -0.44, 0.97, 0.44, 0.16), height=140)
        lit_screen(s, -0.56, -0.36, 0.56, 0.36, 0.03)
        s.fill(ellipse(-0.77, -0.16, 0.11), (50, 50, 54), height=190)
        s.fill(ellipse(0.77, 0.18, 0.11), (50, 50, 54), height=190)
        _cross(s, -0.77, 0.18, 0.10)
        _buttons(s, 0.77, -0.16, 0.085)
        return
    grip = spline(
        [(0, -0.34), (0.40, -0.42), (0.72, -0.34), (0.94, 0.24), (0.90, 0.58), (0.70, 0.56), (0.44, 0.20), (0, 0.18)],
        steps=8,
    )
    half = grip[grip[:, 0] >= 0]
    body = np.concatenate([half, flipped(half)[::-1]])
    if s.style == "arcade":
        s.cloth(box(-0.92, -0.48, 0.92, 0.60, 0.10), height=130)
        s.stroke([(-0.50, 0.06), (-0.50, -0.40)], s.palette.metal, 0.06, height=160)
        s.fill(ellipse(-0.50, -0.50, 0.17), s.palette.ink, height=220)
        for x, y in ((0.0, -0.10), (0.28, -0.20), (0.58, -0.20), (0.06, 0.24), (0.34, 0.14), (0.64, 0.14)):
            s.fill(ellipse(x, y, 0.115, steps=20), s.palette.second_ink, height=190)
        return
    s.fill(box(-0.66, -0.46, -0.26, -0.30, 0.06), s.palette.dark, height=90)
    s.fill(box(0.26, -0.46, 0.66, -0.30, 0.06), s.palette.dark, height=90)
    s.cloth(body, height=140)
    _cross(s, -0.54, -0.12, 0.15)
    _buttons(s, 0.54, -0.12, 0.13)
    for x in (-0.24, 0.24):
        s.fill(ellipse(x, 0.10, 0.145), s.palette.dark, height=120)
        s.fill(ellipse(x, 0.10, 0.11), (58, 58, 62), height=200)
    s.fill(ellipse(0, -0.16, 0.06, steps=14), s.palette.metal, height=170)


def _cross(s: Sketch, x: float, y: float, size: float) -> None:
    s.fill(box(x - size, y - size * 0.34, x + size, y + size * 0.34, 0.015), (52, 52, 56), height=190)
    s.fill(box(x - size * 0.34, y - size, x + size * 0.34, y + size, 0.015), (52, 52, 56), height=190)


def _buttons(s: Sketch, x: float, y: float, reach: float) -> None:
    for dx, dy, tone in (
        (0, -1, (80, 160, 90)),
        (1, 0, (200, 70, 66)),
        (0, 1, (70, 110, 190)),
        (-1, 0, (220, 180, 70)),
    ):
        s.fill(ellipse(x + dx * reach, y + dy * reach, reach * 0.46, steps=14), tone, height=195)
