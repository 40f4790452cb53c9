"""Vases, cushions and clocks."""

from __future__ import annotations

import numpy as np

from ruiji_demo.catalogue.colours import Rgb
from ruiji_demo.catalogue.drawing.geometry import Point, ellipse, mirrored, rounded, spline
from ruiji_demo.catalogue.drawing.sketch import Sketch


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
