"""Balls, lit as spheres, and rackets."""

from __future__ import annotations

import numpy as np

from ruiji_demo.catalogue.colours import Rgb
from ruiji_demo.catalogue.drawing.geometry import (
    Outline,
    box,
    ellipse,
    outline,
    rotated,
    rounded,
    spline,
)
from ruiji_demo.catalogue.drawing.sketch import Sketch

_BALL = 0.84
"""Radius of a ball."""


def ball(s: Sketch) -> None:
    """Football, basketball, volleyball, tennis ball or rugby ball; lit as a sphere."""
    if s.style == "rugby":
        s.cloth(
            spline(
                [(-0.94, 0), (-0.5, -0.46), (0, -0.56), (0.5, -0.46), (0.94, 0), (0.5, 0.46), (0, 0.56), (-0.5, 0.46)],
                steps=10,
            ),
            height=150,
        )
        s.seam(spline([(-0.94, 0), (0, -0.12), (0.94, 0)], closed=False, steps=10), 0.02)
        for x in np.linspace(-0.26, 0.26, 6):
            s.stroke([(x, -0.18), (x, -0.02)], s.palette.trim, 0.03, height=180)
        s.fill(box(-0.60, -0.42, -0.50, 0.42), s.palette.ink, height=150)
        s.fill(box(0.50, -0.42, 0.60, 0.42), s.palette.ink, height=150)
        _sphere(s, 0.86, 0.52)
        return
    s.cloth(ellipse(0, 0, _BALL, steps=56), height=150)
    turn = s.vary(0, 90)
    draw = {"football": _football, "basketball": _basketball, "volleyball": _volleyball, "tennis": _tennis}[s.style]
    draw(s, turn)
    _sphere(s, _BALL, _BALL)


def _football(s: Sketch, turn: float) -> None:
    dark = s.palette.ink
    pentagon = ellipse(0, 0, 0.27, start=turn, stop=turn + 360, steps=5)
    s.fill(pentagon, dark, height=146)
    for k in range(5):
        here, beside = turn + 72.0 * k, turn + 72.0 * (k + 1)
        s.stroke(rotated([(0.27, 0.0), (0.52, 0.0)], here), dark, 0.03)
        patch = [(0.60, 0.20), (0.79, 0.24), (0.82, 0.0), (0.79, -0.24), (0.60, -0.20), (0.52, 0.0)]
        s.fill(rotated(patch, here), dark, height=146)
        ends = rotated([(0.60, 0.20)], here), rotated([(0.60, -0.20)], beside)
        s.stroke(np.concatenate(ends), dark, 0.03)


def _basketball(s: Sketch, turn: float) -> None:
    line: Rgb = (40, 32, 30) if sum(s.palette.main) > 200 else (220, 216, 206)
    curves = [
        outline([(-0.82, 0), (0.82, 0)]),
        outline([(0, -0.82), (0, 0.82)]),
        ellipse(-1.02, 0, 0.62, 0.72, -62, 62),
        ellipse(1.02, 0, 0.62, 0.72, 118, 242),
    ]
    for curve in curves:
        s.stroke(rotated(_on_ball(curve), turn), line, 0.035, height=130)


def _volleyball(s: Sketch, turn: float) -> None:
    for k in range(3):
        angle = turn + 120 * k
        panel = spline([(0, 0), (0.30, -0.40), (0.20, -0.80), (0.52, -0.65), (0.66, -0.30), (0.40, -0.10)], steps=6)
        s.fill(rotated(panel, angle), s.palette.ink if s.chance(0.6) else s.palette.second_ink, height=146)
        for bend in (0.18, 0.40, 0.62):
            arc = spline([(0.02, -bend * 0.1), (bend * 0.8, -0.42), (bend * 0.9, -0.80 + bend * 0.3)], closed=False)
            s.stroke(rotated(arc, angle), s.palette.seam, 0.022)


def _tennis(s: Sketch, turn: float) -> None:
    for x, start, stop in ((-0.95, -58, 58), (0.95, 122, 238)):
        s.stroke(rotated(_on_ball(ellipse(x, 0, 0.72, 0.82, start, stop)), turn), s.palette.trim, 0.07)
    for _ in range(60):
        angle, far = s.vary(0, 6.28), s.vary(0.1, 0.78)
        x, y = far * np.cos(angle), far * np.sin(angle)
        s.shade([(x, y), (x + 0.04, y + 0.03)], 16, 0.02)


def _on_ball(curve: Outline) -> Outline:
    """Keep the points of a line that lie on the ball, short of its edge by half the line's width."""
    inside: Outline = curve[np.hypot(curve[:, 0], curve[:, 1]) < _BALL - 0.015]
    return inside


def _sphere(s: Sketch, rx: float, ry: float) -> None:
    s.shade(ellipse(-0.28 * rx, -0.34 * ry, 0.22 * rx, 0.18 * ry), 42)
    for inset, strength in ((0.93, -34), (0.80, -18), (0.68, -10)):
        s.shade(ellipse(0, 0, rx * inset, ry * inset, 10, 150), strength, 0.15)


def racket(s: Sketch) -> None:
    """Tennis, badminton or table-tennis racket."""
    grip: Rgb = (60, 56, 58) if s.chance(0.6) else s.palette.trim
    if s.style == "table-tennis":
        s.fill(rounded([(-0.10, 0.2), (0.10, 0.2), (0.13, 0.92), (-0.13, 0.92)], 0.05), s.palette.wood, height=130)
        s.fill(ellipse(0, -0.26, 0.63, 0.66), s.palette.wood, height=130)
        s.cloth(
            spline(
                [
                    (0, -0.90),
                    (0.42, -0.74),
                    (0.60, -0.30),
                    (0.46, 0.14),
                    (0.16, 0.28),
                    (-0.16, 0.28),
                    (-0.46, 0.14),
                    (-0.60, -0.30),
                    (-0.42, -0.74),
                ],
                steps=6,
            ),
            height=160,
        )
        s.shade([(-0.3, 0.0), (0.1, -0.6)], 20, 0.18)
        return
    thin = s.style == "badminton"
    rx, ry, cy = (0.36, 0.44, -0.50) if thin else (0.46, 0.56, -0.38)
    head = ellipse(0, cy, rx, ry, steps=48)
    for x in np.linspace(-rx, rx, 13)[1:-1]:
        reach = ry * float(np.sqrt(1 - (x / rx) ** 2))
        s.stroke([(x, cy - reach), (x, cy + reach)], (226, 226, 220), 0.012)
    for y in np.linspace(-ry, ry, 15)[1:-1]:
        reach = rx * float(np.sqrt(1 - (y / ry) ** 2))
        s.stroke([(-reach, cy + y), (reach, cy + y)], (226, 226, 220), 0.012)
    if thin:
        s.stroke([(0, cy + ry), (0, 0.56)], s.palette.metal, 0.035, height=130)
    else:
        for side in s.both_sides(spline([(rx * 0.62, cy + ry * 0.78), (0.20, 0.30), (0.05, 0.46)], closed=False)):
            s.stroke(side, s.palette.main, 0.075, height=150)
    s.stroke(np.concatenate([head, head[:2]]), s.palette.main, 0.055 if thin else 0.085, height=160)
    s.stroke([(0, 0.46), (0, 0.92)], grip, 0.10 if thin else 0.13, height=160)
    for y in np.linspace(0.50, 0.88, 6):
        s.shade([(-0.06, y + 0.03), (0.06, y)], -40, 0.02)
