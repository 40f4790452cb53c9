"""Chairs, sofas and shelves."""

from __future__ import annotations

import numpy as np

from ruiji_demo.catalogue.colours import Rgb, mix
from ruiji_demo.catalogue.drawing.geometry import box, ellipse, rounded, spline
from ruiji_demo.catalogue.drawing.sketch import Sketch


def chair(s: Sketch) -> None:
    """Dining chair with slats, upholstered shell, stool or office chair."""
    draw = {"dining": _dining_chair, "shell": _shell_chair, "stool": _stool, "office": _office_chair}[s.style]
    draw(s)


def _dining_chair(s: Sketch) -> None:
    frame = s.palette.main
    for x in (-0.46, 0.46):
        s.stroke([(x * 0.92, -0.90), (x, 0.20)], frame, 0.085, height=130)
        s.stroke([(x * 0.86, 0.24), (x * 0.92, 0.78)], mix(frame, (20, 16, 16), 0.3), 0.07, height=90)
    if s.chance(0.5):
        for y in (-0.78, -0.52, -0.26):
            s.cloth(
                rounded([(-0.46, y - 0.07), (0.46, y - 0.07), (0.46, y + 0.07), (-0.46, y + 0.07)], 0.03), height=150
            )
    else:
        s.cloth(box(-0.48, -0.92, 0.48, -0.76, 0.06), height=150)
        for x in (-0.28, -0.09, 0.09, 0.28):
            s.stroke([(x, -0.80), (x, 0.16)], frame, 0.05, height=135)
    s.cloth(rounded([(-0.50, 0.12), (0.50, 0.12), (0.60, 0.36), (-0.60, 0.36)], 0.05), height=170)
    for x in (-0.54, 0.54):
        s.stroke([(x, 0.36), (x * 1.03, 0.95)], frame, 0.085, height=150)
    s.stroke([(-0.52, 0.62), (0.52, 0.62)], frame, 0.045, height=120)


def _shell_chair(s: Sketch) -> None:
    for start, end in (
        ((-0.26, 0.28), (-0.54, 0.95)),
        ((0.26, 0.28), (0.54, 0.95)),
        ((-0.16, 0.28), (-0.28, 0.84)),
        ((0.16, 0.28), (0.28, 0.84)),
    ):
        s.stroke([start, end], s.palette.wood, 0.065, height=110)
    s.cloth(
        spline(
            [
                (-0.44, -0.78),
                (0, -0.90),
                (0.44, -0.78),
                (0.52, -0.30),
                (0.50, 0.10),
                (0, 0.18),
                (-0.50, 0.10),
                (-0.52, -0.30),
            ],
            steps=8,
        ),
        height=140,
    )
    s.cloth(
        spline(
            [
                (-0.64, 0.02),
                (-0.3, 0.06),
                (0.3, 0.06),
                (0.64, 0.02),
                (0.62, 0.28),
                (0.3, 0.40),
                (-0.3, 0.40),
                (-0.62, 0.28),
            ],
            steps=8,
        ),
        height=185,
    )
    s.shade([(-0.46, 0.04), (0.46, 0.04)], -46, 0.07)
    s.shade(ellipse(-0.08, -0.46, 0.24, 0.26), 18)


def _stool(s: Sketch) -> None:
    for x, foot in ((-0.20, -0.34), (0.20, 0.34)):
        s.stroke([(x, -0.34), (foot, 0.84)], mix(s.palette.wood, (30, 20, 16), 0.3), 0.06, height=90)
    for x, foot in ((-0.34, -0.58), (0.34, 0.58)):
        s.stroke([(x, -0.34), (foot, 0.95)], s.palette.wood, 0.08, height=120)
    s.stroke([(-0.47, 0.46), (0.47, 0.46)], s.palette.wood, 0.05, height=130)
    s.cloth(rounded([(-0.54, -0.50), (0.54, -0.50), (0.54, -0.30), (-0.54, -0.30)], 0.08), height=150)
    s.cloth(ellipse(0, -0.50, 0.54, 0.14), height=170)


def _office_chair(s: Sketch) -> None:
    dark: Rgb = (58, 58, 64)
    s.stroke([(0, 0.3), (0, 0.72)], dark, 0.09, height=110)
    for foot in ((-0.56, 0.86), (0.56, 0.86), (-0.22, 0.92), (0.26, 0.92)):
        s.stroke([(0, 0.70), foot], dark, 0.06, height=120)
        s.fill(ellipse(foot[0], foot[1] + 0.03, 0.055, steps=14), (36, 36, 40), height=140)
    s.cloth(rounded([(-0.40, -0.93), (0.40, -0.93), (0.48, -0.05), (-0.48, -0.05)], 0.16), height=140)
    for arm in s.both_sides([(0.50, 0.24), (0.66, 0.16), (0.66, -0.10), (0.50, -0.12)]):
        s.stroke(arm, dark, 0.065, height=130)
    s.cloth(rounded([(-0.54, 0.06), (0.54, 0.06), (0.58, 0.32), (-0.58, 0.32)], 0.12), height=185)
    s.shade([(-0.42, 0.02), (0.42, 0.02)], -46, 0.06)


def sofa(s: Sketch) -> None:
    """Two- or three-seater, or a single armchair with round arms."""
    seats = {"two-seater": 2, "three-seater": 3, "armchair": 1}[s.style]
    half = {1: 0.64, 2: 0.84, 3: 0.98}[seats]
    arm = s.vary(0.15, 0.20)
    back_top = -0.52 if seats > 1 else -0.72
    for x in (-half + 0.12, half - 0.12):
        s.stroke([(x, 0.5), (x * 1.03, 0.74)], s.palette.wood, 0.06, height=90)
    s.cloth(box(-half + 0.06, back_top, half - 0.06, 0.30, 0.12), height=110)
    s.fill(box(-half + 0.04, 0.26, half - 0.04, 0.60, 0.05), s.palette.dark, height=115)
    inner = half - arm
    width = 2 * inner / seats
    for seat in range(seats):
        left = -inner + seat * width
        s.cloth(box(left + 0.012, back_top + 0.06, left + width - 0.012, 0.16, 0.10), height=145)
        s.cloth(box(left + 0.008, 0.10, left + width - 0.008, 0.36, 0.07), height=180)
        s.shade([(left + 0.05, 0.10), (left + width - 0.05, 0.10)], -44, 0.05)
    round_arm = 0.10 if s.chance(0.5) else 0.03
    for side in s.both_sides(box(inner - 0.01, -0.16, half + 0.01, 0.62, round_arm)):
        s.cloth(side, height=195)
    if s.chance(0.5):
        pillow = rounded(
            [(-inner + 0.06, -0.26), (-inner + 0.36, -0.30), (-inner + 0.38, 0.06), (-inner + 0.04, 0.08)], 0.06
        )
        s.fill(pillow, s.palette.ink, height=215)


def shelf(s: Sketch) -> None:
    """Bookcase, ladder shelf or cube shelf, with a few things on it."""
    half = 0.50 if s.style != "cube" else 0.82
    top, bottom = (-0.92, 0.92) if s.style != "cube" else (-0.80, 0.80)
    rows = 3 if s.style == "cube" else int(s.rng.integers(4, 6))
    levels = np.linspace(top, bottom, rows + 1)
    if s.style != "ladder":
        s.fill(box(-half, top, half, bottom), mix(s.palette.main, (20, 16, 14), 0.42), height=60)
    for level in levels[1:]:
        _books(s, half - 0.08, float(level) - 0.04, float(levels[1] - levels[0]) * 0.7)
    for level in levels if s.style != "ladder" else levels[1:]:
        s.cloth(box(-half, float(level) - 0.035, half, float(level) + 0.035), height=150)
    uprights = (-half, half) if s.style != "cube" else (-half, -half / 3, half / 3, half)
    for x in uprights:
        s.cloth(box(x - 0.04, top - 0.035, x + 0.04, bottom + 0.04), height=165)


def _books(s: Sketch, half: float, floor: float, tall: float) -> None:
    x = -half + s.vary(0.0, half)
    stop = min(half, x + s.vary(0.3, 0.9))
    while x < stop:
        width = s.vary(0.05, 0.09)
        tone = ((170, 84, 70), (70, 100, 130), (214, 190, 140), (90, 120, 96), (226, 222, 212))[int(s.rng.integers(5))]
        s.fill(box(x, floor - tall * s.vary(0.7, 1.0), min(x + width, half), floor), tone, height=110)
        x += width
