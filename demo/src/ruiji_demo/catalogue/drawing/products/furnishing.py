"""Vases, cushions, clocks, lamps, chairs, sofas and shelves."""

from __future__ import annotations

import numpy as np

from ruiji_demo.catalogue.colours import Rgb, mix
from ruiji_demo.catalogue.drawing.geometry import Point, box, ellipse, mirrored, rounded, spline
from ruiji_demo.catalogue.drawing.sketch import Sketch

_WARM: Rgb = (255, 232, 178)


def vase(s: Sketch) -> None:
    """Bottle neck, round belly, cylinder or amphora; some hold branches."""
    profile: list[Point] = {
        "bottle": [(0.13, -0.55), (0.12, -0.20), (0.42, 0.30), (0.40, 0.70), (0.28, 0.92)],
        "round": [(0.22, -0.30), (0.20, -0.16), (0.56, 0.30), (0.48, 0.74), (0.26, 0.92)],
        "cylinder": [(0.32, -0.50), (0.31, 0.0), (0.32, 0.50), (0.32, 0.90), (0.30, 0.92)],
        "amphora": [(0.26, -0.60), (0.16, -0.40), (0.46, 0.0), (0.30, 0.60), (0.24, 0.92)],
    }[s.style]
    top = profile[0][1]
    if s.chance(0.45):
        _branches(s, top)
    wide = s.vary(0.9, 1.12)
    right = spline([(x * wide, y) for x, y in profile], closed=False, steps=8)
    s.cloth(mirrored(np.concatenate([[(0.0, top)], right, [(0.0, 0.94)]])), height=140)
    mouth = profile[0][0] * wide
    s.fill(ellipse(0, top, mouth, mouth * 0.28), s.palette.light, height=180)
    s.fill(ellipse(0, top + 0.005, mouth * 0.84, mouth * 0.20), s.palette.dark, height=70)
    s.shade(right * (-0.55, 1.0), 42, 0.07)
    s.shade(right * (0.88, 1.0), -36, 0.14)
    if s.style == "amphora":
        for handle in s.both_sides(spline([(0.20, -0.46), (0.50, -0.42), (0.42, -0.04)], closed=False)):
            s.stroke(handle, s.palette.main, 0.07, height=150)


def _branches(s: Sketch, top: float) -> None:
    green: Rgb = (96, 130, 84)
    bloom: Rgb = s.palette.second_ink
    for x in np.linspace(-0.34, 0.34, int(s.rng.integers(3, 6))):
        tip: Point = (float(x) + s.vary(-0.05, 0.05), s.vary(-0.97, -0.80))
        s.stroke(spline([(0, top + 0.05), (x * 0.5, (top + tip[1]) / 2), tip], closed=False), green, 0.022, height=90)
        s.fill(ellipse(*tip, s.vary(0.06, 0.10), steps=14), bloom, height=140)
        s.fill(ellipse(x * 0.7, (top + tip[1]) / 2, 0.07, 0.035, steps=12), green, height=110)


def cushion(s: Sketch) -> None:
    """Square, round, or long bolster with piped edges."""
    if s.style == "round":
        s.cloth(ellipse(0, 0, 0.84), height=150)
        for angle in np.linspace(0, 2 * np.pi, 13)[:-1]:
            s.shade(
                [(0.1 * np.cos(angle), 0.1 * np.sin(angle)), (0.76 * np.cos(angle), 0.76 * np.sin(angle))], -22, 0.03
            )
        s.fill(ellipse(0, 0, 0.075, steps=16), s.palette.dark, height=120)
        return
    half_x, half_y = (0.80, 0.80) if s.style == "square" else (0.94, 0.52)
    pull = s.vary(0.06, 0.12)
    corners = [
        (-half_x, -half_y),
        (0, -half_y + pull),
        (half_x, -half_y),
        (half_x - pull, 0),
        (half_x, half_y),
        (0, half_y - pull),
        (-half_x, half_y),
        (-half_x + pull, 0),
    ]
    edge = rounded(corners, [0.08, 0.5, 0.08, 0.5, 0.08, 0.5, 0.08, 0.5], steps=8)
    s.cloth(edge, height=150)
    s.stroke(np.concatenate([edge, edge[:1]]), s.palette.dark if s.chance(0.5) else s.palette.ink, 0.035, height=120)
    for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        s.shade([(x * half_x * 0.93, y * half_y * 0.93), (x * half_x * 0.62, y * half_y * 0.70)], -30, 0.06)
    s.shade(ellipse(-0.12, -0.14, half_x * 0.45, half_y * 0.42), 20)
    if s.style == "square" and s.chance(0.3):
        s.fill(ellipse(0, 0, 0.07, steps=16), s.palette.dark, height=110)


def clock(s: Sketch) -> None:
    """Round wall clock, alarm clock with bells, or a sunburst."""
    cy = 0.08 if s.style == "alarm" else 0.0
    radius = 0.62 if s.style != "wall" else s.vary(0.80, 0.88)
    if s.style == "sunburst":
        radius = 0.44
        for angle in np.linspace(0, 2 * np.pi, 25)[:-1]:
            far = 0.92 if round(angle / (np.pi / 12)) % 2 == 0 else 0.74
            s.stroke(
                [(0.4 * np.cos(angle), 0.4 * np.sin(angle)), (far * np.cos(angle), far * np.sin(angle))],
                s.palette.main,
                0.05,
                height=110,
            )
    if s.style == "alarm":
        for side in (-1.0, 1.0):
            s.stroke([(0.30 * side, 0.5), (0.46 * side, 0.86)], s.palette.metal, 0.09, height=110)
            s.fill(ellipse(0.36 * side, -0.56, 0.25, 0.20), s.palette.metal, height=150)
        s.stroke([(0, -0.5), (0, -0.82)], s.palette.metal, 0.06, height=130)
    face: Rgb = (246, 244, 238) if s.chance(0.75) else (48, 50, 58)
    hand: Rgb = (40, 40, 44) if face[0] > 100 else (240, 238, 230)
    s.cloth(ellipse(0, cy, radius, steps=48), height=180)
    s.fill(ellipse(0, cy, radius * 0.84, steps=48), face, height=130)
    for hour in range(12):
        x, y = np.sin(hour * np.pi / 6) * radius, -np.cos(hour * np.pi / 6) * radius
        s.stroke([(x * 0.66, cy + y * 0.66), (x * 0.76, cy + y * 0.76)], hand, 0.045 if hour % 3 == 0 else 0.022)
    for angle, length, width in ((s.vary(0, 6.28), 0.42, 0.055), (s.vary(0, 6.28), 0.62, 0.035)):
        s.stroke([(0, cy), (np.sin(angle) * length * radius, cy - np.cos(angle) * length * radius)], hand, width)
    s.fill(ellipse(0, cy, 0.045, steps=14), s.palette.main, height=150)


def table_lamp(s: Sketch) -> None:
    """Shade on a stem, on a ceramic belly, or a bent desk lamp."""
    if s.style == "desk":
        _desk_lamp(s)
        return
    bottom = 0.88
    if s.style == "ceramic":
        s.fill(
            spline(
                [(0, -0.10), (0.12, 0.04), (0.34, 0.40), (0.22, 0.84), (-0.22, 0.84), (-0.34, 0.40), (-0.12, 0.04)],
                steps=8,
            ),
            s.palette.trim,
            height=140,
        )
        s.shade([(-0.14, 0.2), (-0.16, 0.6)], 44, 0.08)
        s.fill(ellipse(0, bottom - 0.03, 0.24, 0.05), s.palette.wood, height=120)
    else:
        s.stroke(
            [(0, -0.2), (0, bottom - 0.06)], s.palette.wood if s.chance(0.5) else s.palette.metal, 0.07, height=120
        )
        s.fill(ellipse(0, bottom - 0.04, 0.36, 0.08), s.palette.wood if s.chance(0.5) else s.palette.metal, height=130)
    narrow, wide = s.vary(0.26, 0.40), s.vary(0.56, 0.68)
    s.cloth(rounded([(-narrow, -0.88), (narrow, -0.88), (wide, -0.06), (-wide, -0.06)], 0.03), height=150)
    _lit(s, narrow, wide, -0.88, -0.06)


def _desk_lamp(s: Sketch) -> None:
    elbow: Point = (-0.44, -0.10)
    s.fill(box(-0.46, 0.78, 0.26, 0.90, 0.05), s.palette.main, height=150)
    s.stroke([(-0.10, 0.80), elbow], s.palette.metal, 0.05, height=120)
    s.stroke([elbow, (0.22, -0.66)], s.palette.metal, 0.05, height=120)
    s.fill(ellipse(*elbow, 0.07, steps=16), s.palette.main, height=160)
    s.cloth(rounded([(0.14, -0.84), (0.34, -0.74), (0.86, -0.42), (0.36, -0.12)], 0.08), height=160)
    s.fill(spline([(0.86, -0.42), (0.66, -0.22), (0.36, -0.12), (0.58, -0.32)], steps=5), _WARM, height=170)


def pendant_lamp(s: Sketch) -> None:
    """Dome, cone, globe or drum on a cable."""
    s.stroke([(0, -0.98), (0, -0.2)], (60, 60, 64), 0.022, height=90)
    s.fill(box(-0.14, -0.99, 0.14, -0.92, 0.02), s.palette.metal, height=120)
    if s.style == "globe":
        s.fill(box(-0.12, -0.40, 0.12, -0.24, 0.03), s.palette.metal, height=130)
        s.cloth(ellipse(0, 0.26, 0.56), height=150)
        s.shade(ellipse(0, 0.30, 0.34), 48)
        return
    if s.style == "drum":
        s.cloth(box(-0.72, -0.20, 0.72, 0.44, 0.03), height=150)
        _lit(s, 0.72, 0.72, -0.20, 0.44)
        return
    low = s.vary(0.34, 0.48)
    s.fill(ellipse(0, low, 0.72, 0.09), _WARM, height=100)
    shape = [(0, -0.30), (0.11, -0.30), (0.16, -0.14), (0.74, low), (0, low + 0.03)] if s.style == "cone" else None
    dome = (
        mirrored(shape)
        if shape
        else mirrored(
            np.concatenate(
                [
                    [(0, -0.34), (0.10, -0.34), (0.12, -0.22)],
                    ellipse(0, low, 0.74, low + 0.18, 285, 360, 12),
                    [(0, low + 0.03)],
                ]
            )
        )
    )
    s.cloth(dome, height=160)
    s.fill(ellipse(0, low, 0.74, 0.10), mix(_WARM, s.palette.light, 0.25), height=120)
    s.fill(ellipse(0, low + 0.04, 0.15, 0.07), (255, 250, 232), height=140)
    s.shade([(-0.22, -0.02), (-0.42, low - 0.16)], 40, 0.08)


def _lit(s: Sketch, narrow: float, wide: float, top: float, bottom: float) -> None:
    """A lampshade with the bulb's glow in its middle and trimmed edges."""
    middle = (top + bottom) / 2
    s.shade(ellipse(0, middle + 0.12, (narrow + wide) * 0.24, (bottom - top) * 0.36), 40)
    s.stroke([(-narrow, top + 0.02), (narrow, top + 0.02)], s.palette.dark, 0.03)
    s.stroke([(-wide + 0.01, bottom - 0.02), (wide - 0.01, bottom - 0.02)], s.palette.dark, 0.03)
    for edge in s.both_sides([(narrow * 0.9, top + 0.05), (wide * 0.92, bottom - 0.05)]):
        s.shade(edge, -30, 0.09)


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
