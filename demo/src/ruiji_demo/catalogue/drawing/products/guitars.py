"""Guitars and ukuleles, upright."""

from __future__ import annotations

from ruiji_demo.catalogue.colours import mix
from ruiji_demo.catalogue.drawing.geometry import (
    box,
    ellipse,
    outline,
    rounded,
    spline,
)
from ruiji_demo.catalogue.drawing.sketch import Sketch


def guitar(s: Sketch) -> None:
    """Acoustic, two electric shapes, or a ukulele; leaning upright."""
    small = s.style == "ukulele"
    neck_top = -0.62 if small else -0.72
    fingerboard = mix(s.palette.wood, (40, 24, 16), 0.6)
    if s.style in ("acoustic", "ukulele"):
        body = [
            (0, -0.10),
            (0.26, -0.12),
            (0.30, 0.10),
            (0.23, 0.28),
            (0.42, 0.58),
            (0.34, 0.88),
            (0, 0.96),
            (-0.34, 0.88),
            (-0.42, 0.58),
            (-0.23, 0.28),
            (-0.30, 0.10),
            (-0.26, -0.12),
        ]
        s.cloth(spline(body, steps=8) * (1.05, 1.0), height=150)
        s.stroke(spline([*body, body[0]], closed=False, steps=8) * (1.03, 0.995), s.palette.dark, 0.025, height=140)
        s.fill(ellipse(0, 0.34, 0.125), s.palette.trim, height=130)
        s.fill(ellipse(0, 0.34, 0.105), (36, 26, 22), height=90)
        s.fill(box(-0.16, 0.66, 0.16, 0.72, 0.02), fingerboard, height=180)
    else:
        shapes = {
            "double-cut": [
                (-0.06, 0.16),
                (-0.30, -0.06),
                (-0.38, 0.02),
                (-0.25, 0.36),
                (-0.42, 0.66),
                (-0.28, 0.94),
                (0, 0.96),
                (0.28, 0.94),
                (0.42, 0.64),
                (0.26, 0.38),
                (0.34, 0.12),
                (0.24, 0.08),
                (0.06, 0.26),
            ],
            "single-cut": [
                (-0.06, 0.04),
                (-0.30, 0.02),
                (-0.32, 0.24),
                (-0.24, 0.40),
                (-0.42, 0.66),
                (-0.26, 0.94),
                (0, 0.97),
                (0.26, 0.94),
                (0.42, 0.66),
                (0.24, 0.42),
                (0.34, 0.22),
                (0.20, 0.14),
                (0.06, 0.22),
            ],
        }
        key = "single-cut" if s.style == "single-cut" else "double-cut"
        s.cloth(spline(shapes[key], steps=8) * (1.05, 1.0), height=160)
        s.fill(
            spline([(-0.10, 0.28), (0.12, 0.28), (0.22, 0.50), (0.12, 0.78), (-0.14, 0.74)], steps=6),
            s.palette.trim,
            height=170,
        )
        for y in (0.40, 0.53, 0.66):
            s.fill(box(-0.11, y - 0.028, 0.11, y + 0.028, 0.02), (46, 46, 50), height=195)
        for y in (0.66, 0.78):
            s.fill(ellipse(0.22, y, 0.035, steps=12), s.palette.metal, height=200)
        s.fill(box(-0.11, 0.76, 0.11, 0.82, 0.01), s.palette.metal, height=200)
    low = 0.26
    s.fill(outline([(-0.042, neck_top), (0.042, neck_top), (0.055, low), (-0.055, low)]), fingerboard, height=190)
    for share in (0.08, 0.2, 0.32, 0.44, 0.56, 0.68, 0.8):
        y = neck_top + (low - neck_top) * share
        s.stroke([(-0.045, y), (0.045, y)], s.palette.metal, 0.010)
    head = rounded(
        [(-0.06, neck_top + 0.02), (-0.085, neck_top - 0.22), (0.085, neck_top - 0.22), (0.06, neck_top + 0.02)], 0.03
    )
    s.fill(head, s.palette.main if s.chance(0.5) else s.palette.wood, height=180)
    for y in (-0.05, -0.11, -0.17):
        for x in (-0.11, 0.11):
            s.fill(ellipse(x, neck_top + y, 0.025, steps=10), s.palette.metal, height=190)
    for x in (-0.022, 0.0, 0.022):
        s.stroke([(x, neck_top), (x * 1.6, 0.70)], (222, 220, 210), 0.007)
