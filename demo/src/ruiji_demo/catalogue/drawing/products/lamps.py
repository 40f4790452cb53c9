"""Table lamps and pendant lamps, switched on."""

from __future__ import annotations

import numpy as np

from ruiji_demo.catalogue.colours import Rgb, mix
from ruiji_demo.catalogue.drawing.geometry import Point, box, ellipse, mirrored, rounded, spline
from ruiji_demo.catalogue.drawing.sketch import Sketch

_WARM: Rgb = (255, 232, 178)


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
