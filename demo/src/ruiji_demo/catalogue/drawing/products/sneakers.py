"""Sneakers from the side, toe to the right."""

from __future__ import annotations

import numpy as np

from ruiji_demo.catalogue.colours import mix
from ruiji_demo.catalogue.drawing.geometry import Point, between, ellipse, rounded, spline
from ruiji_demo.catalogue.drawing.sketch import Sketch


def sneaker(s: Sketch) -> None:
    """Low-top, high-top, slip-on or running shoe."""
    draw = {"low-top": _laced, "high-top": _laced, "slip-on": _slip_on, "running": _runner}[s.style]
    draw(s)


def _laced(s: Sketch) -> None:
    high = s.style == "high-top"
    collar = -0.62 if high else s.vary(-0.26, -0.18)
    tongue: Point = (-0.14, collar - 0.10) if high else (0.02, -0.36)
    s.fill(
        rounded([tongue, (tongue[0] + 0.20, tongue[1] + 0.05), (0.42, 0.06), (0.1, 0.1)], 0.05),
        s.palette.dark,
        height=90,
    )
    upper = [
        (-0.90, 0.36),
        (-0.92, 0.10),
        (-0.84, collar),
        (-0.58, collar + 0.06),
        (tongue[0], tongue[1] + 0.06),
        (0.34, -0.02),
        (0.62, 0.08),
        (0.86, 0.18),
        (0.93, 0.36),
    ]
    s.cloth(rounded(upper, 0.10), height=130)
    s.fill(
        spline([(0.50, 0.36), (0.54, 0.16), (0.70, 0.12), (0.86, 0.20), (0.92, 0.36)], steps=4),
        s.palette.trim if s.chance(0.6) else s.palette.light,
        height=150,
    )
    s.cloth(rounded([(-0.92, 0.36), (-0.92, -0.02), (-0.74, -0.04), (-0.62, 0.36)], 0.05), height=152)
    s.seam([(-0.74, -0.03), (-0.63, 0.34)], 0.02)
    laces(s, top=(tongue[0] + 0.02, tongue[1] + 0.16), bottom=(0.40, 0.06), count=7 if high else 5)
    if s.chance(0.6):
        s.stroke(spline([(-0.55, 0.16), (-0.20, 0.24), (0.30, 0.02)], closed=False), s.palette.ink, s.vary(0.05, 0.10))
    if high:
        s.fill(ellipse(-0.52, -0.32, 0.13, steps=18), s.palette.trim, height=150)
        s.stroke(ellipse(-0.52, -0.32, 0.13, steps=18), s.palette.seam, 0.015)
    _sole(s, thick=s.vary(0.13, 0.19))


def _slip_on(s: Sketch) -> None:
    upper = [
        (-0.90, 0.36),
        (-0.92, 0.12),
        (-0.84, -0.16),
        (-0.56, -0.04),
        (-0.30, -0.02),
        (-0.08, -0.22),
        (0.18, -0.16),
        (0.60, 0.06),
        (0.88, 0.20),
        (0.93, 0.36),
    ]
    s.fill(rounded([(-0.84, -0.16), (-0.1, -0.22), (-0.2, 0.1), (-0.7, 0.1)], 0.05), s.palette.dark, height=60)
    s.cloth(rounded(upper, 0.09), height=130)
    s.fill(rounded([(-0.40, 0.02), (-0.08, -0.14), (0.02, -0.10), (-0.26, 0.12)], 0.03), s.palette.dark, height=120)
    s.seam(spline([(0.02, -0.18), (0.06, 0.10), (-0.04, 0.36)], closed=False), 0.016)
    _sole(s, thick=s.vary(0.15, 0.20))


def _runner(s: Sketch) -> None:
    upper = [
        (-0.86, 0.30),
        (-0.94, 0.06),
        (-0.92, -0.36),
        (-0.66, -0.18),
        (-0.16, -0.34),
        (0.10, -0.26),
        (0.44, 0.02),
        (0.80, 0.10),
        (0.98, 0.30),
    ]
    s.fill(rounded([(-0.20, -0.44), (0.0, -0.40), (0.3, 0.0), (0.0, 0.0)], 0.05), s.palette.dark, height=90)
    s.cloth(rounded(upper, 0.12), height=130)
    laces(s, top=(-0.08, -0.22), bottom=(0.40, 0.06), count=5)
    for x in (-0.52, -0.36, -0.20):
        s.stroke([(x, 0.26), (x + 0.20, -0.08)], s.palette.ink, 0.06, height=140)
    s.fill(rounded([(-0.93, 0.26), (-0.93, 0.0), (-0.72, 0.02), (-0.62, 0.28)], 0.06), s.palette.ink, height=145)
    foam = [
        (-0.98, 0.20),
        (-0.60, 0.26),
        (0.0, 0.22),
        (0.60, 0.24),
        (1.0, 0.20),
        (0.98, 0.36),
        (0.6, 0.46),
        (0.0, 0.42),
        (-0.5, 0.52),
        (-0.92, 0.50),
    ]
    s.fill(spline(foam, steps=4), s.palette.trim, height=160)
    s.stroke(
        spline([(-0.90, 0.49), (-0.5, 0.50), (0.0, 0.42), (0.6, 0.45), (0.94, 0.36)], closed=False),
        s.palette.dark,
        0.05,
        height=120,
    )


def laces(s: Sketch, *, top: Point, bottom: Point, count: int) -> None:
    """Lace up from the tongue's top to the toe."""
    for share in np.linspace(0.04, 0.96, count):
        x, y = between(top, bottom, float(share))
        s.stroke([(x - 0.09, y + 0.09), (x + 0.07, y - 0.01)], s.palette.trim, 0.036, height=190)


def _sole(s: Sketch, *, thick: float) -> None:
    rubber = s.palette.trim if s.chance(0.8) else s.palette.wood
    sole = rounded([(-0.95, 0.30), (0.97, 0.30), (0.98, 0.30 + thick), (-0.93, 0.30 + thick)], 0.07)
    s.fill(sole, rubber, height=170)
    s.stroke([(-0.94, 0.34), (0.96, 0.34)], mix(rubber, s.palette.ink, 0.5), 0.022)
    s.shade([(-0.9, 0.30 + thick - 0.02), (0.92, 0.30 + thick - 0.02)], -30, 0.03)
