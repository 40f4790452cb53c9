"""Headphones, speakers, smartphones, laptops, cameras and game controllers."""

from __future__ import annotations

import numpy as np

from ruiji_demo.catalogue.colours import Rgb, mix
from ruiji_demo.catalogue.drawing.geometry import box, ellipse, flipped, rounded, spline
from ruiji_demo.catalogue.drawing.sketch import Sketch

_SCREEN: Rgb = (28, 32, 42)
_SCREENS: tuple[tuple[Rgb, Rgb], ...] = (
    ((60, 90, 160), (190, 120, 170)),
    ((40, 120, 130), (230, 190, 120)),
    ((70, 60, 120), (230, 120, 90)),
    ((30, 60, 80), (120, 190, 180)),
)


def headphones(s: Sketch) -> None:
    """Over-ear, on-ear, or in-ear buds with their case."""
    if s.style == "earbuds":
        _earbuds(s)
        return
    over = s.style == "over-ear"
    cup_x, cup_y = (0.22, 0.34) if over else (0.20, 0.22)
    band = s.vary(0.62, 0.70)
    s.stroke(ellipse(0, 0.10, band, 0.92, 180, 360), s.palette.main, 0.12, height=130)
    s.stroke(ellipse(0, 0.12, band - 0.07, 0.86, 205, 335), mix(s.palette.dark, (30, 30, 32), 0.4), 0.07, height=110)
    for side in (-1.0, 1.0):
        x = side * band
        s.stroke([(x, -0.05), (x, 0.25)], s.palette.metal, 0.05, height=140)
        s.fill(ellipse(x - side * 0.09, 0.38, cup_x * 0.72, cup_y * 1.05), (48, 46, 50), height=110)
        s.cloth(ellipse(x + side * 0.06, 0.38, cup_x * 0.82, cup_y), height=175)
        s.stroke(ellipse(x + side * 0.07, 0.38, cup_x * 0.46, cup_y * 0.62), s.palette.dark, 0.02, height=190)
        s.shade(ellipse(x + side * 0.02, 0.38 - cup_y * 0.4, cup_x * 0.2, cup_y * 0.2), 50)


def _earbuds(s: Sketch) -> None:
    s.cloth(box(-0.52, 0.06, 0.52, 0.82, 0.26), height=140)
    s.seam([(-0.52, 0.30), (0.52, 0.30)], 0.02)
    s.shade([(-0.34, 0.16), (0.30, 0.16)], 40, 0.05)
    s.fill(ellipse(0, 0.48, 0.03, steps=12), (120, 220, 140), height=150)
    for bud in (1.0, -1.0):
        x = 0.32 * bud
        s.stroke([(x + 0.06 * bud, -0.50), (x + 0.02 * bud, -0.08)], s.palette.main, 0.12, height=130)
        s.cloth(ellipse(x, -0.56, 0.20, 0.19), height=180)
        s.fill(ellipse(x - 0.15 * bud, -0.56, 0.09, 0.12), (60, 60, 64), height=190)


def speaker(s: Sketch) -> None:
    """Bookshelf box, portable cylinder, or a smart-speaker ball."""
    mesh: Rgb = (52, 52, 56)
    if s.style == "bookshelf":
        s.cloth(box(-0.54, -0.92, 0.54, 0.90, 0.05), height=130)
        for y, radius in ((-0.46, 0.24), (0.30, 0.40)):
            s.fill(ellipse(0, y, radius * 1.12), s.palette.metal, height=150)
            s.fill(ellipse(0, y, radius), mesh, height=110)
            s.fill(ellipse(0, y, radius * 0.42), mix(mesh, (200, 200, 204), 0.3), height=150)
            s.shade(ellipse(0, y, radius * 0.72, radius * 0.72, 190, 300), 40, 0.03)
    elif s.style == "portable":
        s.stroke(
            spline([(-0.88, -0.10), (-0.6, -0.52), (0.6, -0.52), (0.88, -0.10)], closed=False),
            s.palette.dark,
            0.05,
            height=100,
        )
        s.cloth(box(-0.94, -0.34, 0.94, 0.40, 0.34), height=150)
        s.fill(box(-0.66, -0.22, 0.66, 0.28, 0.10), mix(s.palette.main, mesh, 0.6), height=140)
        for x in np.linspace(-0.60, 0.60, 19):
            s.stroke([(x, -0.18), (x, 0.24)], mix(s.palette.main, mesh, 0.85), 0.014)
        for side in (-1.0, 1.0):
            s.fill(ellipse(0.82 * side, 0.03, 0.10, 0.24), s.palette.dark, height=180)
    else:
        s.cloth(ellipse(0, 0.06, 0.76), height=150)
        for y in np.linspace(-0.34, 0.64, 12):
            half = float(np.sqrt(max(0.0, 0.72**2 - (y - 0.06) ** 2)))
            s.stroke(spline([(-half, y - 0.04), (0, y + 0.04), (half, y - 0.04)], closed=False), s.palette.seam, 0.016)
        s.fill(ellipse(0, -0.56, 0.36, 0.11), mesh, height=180)
        s.stroke(ellipse(0, -0.56, 0.30, 0.085), (110, 200, 230), 0.025)


def smartphone(s: Sketch) -> None:
    """Front with a lit screen, back with cameras, or a folding phone."""
    half = s.vary(0.42, 0.48)
    if s.style == "flip":
        s.cloth(box(-0.44, -0.94, 0.44, 0.94, 0.10), height=140)
        _lit_screen(s, -0.39, -0.88, 0.39, 0.88, 0.06)
        s.shade([(-0.44, 0.0), (0.44, 0.0)], -54, 0.05)
        s.shade([(-0.40, 0.05), (0.40, 0.05)], 40, 0.04)
        return
    body = box(-half, -0.94, half, 0.94, 0.14)
    s.fill(box(half - 0.02, -0.40, half + 0.025, -0.14, 0.01), s.palette.dark, height=110)
    s.cloth(body, height=140)
    if s.style == "front":
        _lit_screen(s, -half + 0.045, -0.89, half - 0.045, 0.89, 0.11)
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


def _lit_screen(s: Sketch, left: float, top: float, right: float, bottom: float, radius: float) -> None:
    """A wallpaper of two tones under glass."""
    first, second = _SCREENS[int(s.rng.integers(len(_SCREENS)))]
    s.fill(box(left, top, right, bottom, radius), _SCREEN, height=150)
    inset = 0.012
    s.fill(box(left + inset, top + inset, right - inset, bottom - inset, radius), first, height=148)
    middle = (top + bottom) / 2
    hill = spline(
        [
            (left + inset, middle),
            (left * 0.4, middle + 0.12),
            (right * 0.4, middle - 0.14),
            (right - inset, middle + 0.02),
        ],
        closed=False,
    )
    floor = rounded([(right - inset, bottom - inset), (left + inset, bottom - inset)], 0.0)
    s.fill(
        np.concatenate([hill, floor[:5], floor[5:]])
        if radius < 0.02
        else np.concatenate(
            [
                hill,
                [
                    (right - inset, bottom - radius),
                    (right - radius, bottom - inset),
                    (left + radius, bottom - inset),
                    (left + inset, bottom - radius),
                ],
            ]
        ),
        second,
        height=148,
    )
    s.shade([(left + 0.06, middle), (right - 0.10, top + 0.08)], 26, 0.14)


def laptop(s: Sketch) -> None:
    """Open from the front: clamshell, thin, or a rugged gaming laptop."""
    top = s.vary(-0.72, -0.62)
    half = 0.74
    s.cloth(box(-half, top, half, 0.30, 0.05), height=120)
    _lit_screen(s, -half + 0.05, top + 0.05, half - 0.05, 0.24, 0.015)
    deck = rounded([(-half, 0.30), (half, 0.30), (0.97, 0.66), (-0.97, 0.66)], 0.03)
    s.cloth(deck, height=150)
    keys: Rgb = (48, 48, 52) if sum(s.palette.main) > 240 else (110, 110, 116)
    if s.style == "gaming":
        keys = s.palette.second_ink
    for row, y in enumerate(np.linspace(0.345, 0.48, 4)):
        reach = half - 0.02 + row * 0.045
        for x in np.linspace(-reach + 0.06, reach - 0.06, 13):
            s.fill(box(x - 0.043, y - 0.014, x + 0.043, y + 0.014), keys, height=160)
    s.fill(
        rounded([(-0.20, 0.54), (0.20, 0.54), (0.22, 0.63), (-0.22, 0.63)], 0.015),
        mix(s.palette.main, s.palette.dark, 0.4),
        height=140,
    )
    s.fill(
        rounded(
            [
                (-0.97, 0.66),
                (0.97, 0.66),
                (0.95, 0.72 if s.style != "gaming" else 0.78),
                (-0.95, 0.72 if s.style != "gaming" else 0.78),
            ],
            0.03,
        ),
        s.palette.dark,
        height=130,
    )


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
        _lit_screen(s, -0.56, -0.36, 0.56, 0.36, 0.03)
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
