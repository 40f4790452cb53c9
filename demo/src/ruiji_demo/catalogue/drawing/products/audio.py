"""Headphones and speakers."""

from __future__ import annotations

import numpy as np

from ruiji_demo.catalogue.colours import Rgb, mix
from ruiji_demo.catalogue.drawing.geometry import box, ellipse, spline
from ruiji_demo.catalogue.drawing.sketch import Sketch


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
