"""Mugs, teapots, bowls and frying pans."""

from __future__ import annotations

import numpy as np

from ruiji_demo.catalogue.colours import mix
from ruiji_demo.catalogue.drawing.geometry import Outline, box, ellipse, mirrored, moved, outline, rounded, spline
from ruiji_demo.catalogue.drawing.sketch import Sketch


def mug(s: Sketch) -> None:
    """Straight, tapered, rounded or an enamel camping mug."""
    half, height = s.vary(0.46, 0.58), s.vary(0.62, 0.82)
    foot = {"straight": 1.0, "tapered": 0.72, "rounded": 0.62, "enamel": 0.98}[s.style] * half
    belly = half * 1.10 if s.style == "rounded" else (half + foot) / 2
    x = -0.14
    loop = [
        (half * 0.9, -height * 0.55),
        (half + 0.28, -height * 0.5),
        (half + 0.34, 0.0),
        (half + 0.18, height * 0.42),
        (half * 0.8, height * 0.45),
    ]
    s.stroke(moved(spline(loop, closed=False, steps=8), x), s.palette.main, s.vary(0.10, 0.14), height=110)
    body = rounded(
        mirrored([(0, -height), (half, -height), (belly, 0.15), (foot, height), (0, height + 0.05)]),
        0.16 if s.style == "rounded" else 0.06,
    )
    s.cloth(moved(body, x), height=140)
    _mouth(s, x, -height, half, s.vary(0.09, 0.13))
    if s.style == "enamel":
        s.stroke(ellipse(x, -height, half, 0.10), (52, 60, 84), 0.035, height=170)
    _round(s, x, -height + 0.16, height - 0.1, half * 0.9)
    if s.chance(0.3):
        s.fill(ellipse(x - 0.02, 0.06, 0.18, steps=24), s.palette.ink, height=142)


def teapot(s: Sketch) -> None:
    """Round pot, tall coffee pot, or a low Japanese pot with a side handle."""
    tall = s.style == "tall"
    rx, ry = (0.44, 0.62) if tall else (s.vary(0.56, 0.62), s.vary(0.44, 0.50))
    cy = 0.16
    if s.style == "kyusu":
        s.stroke([(-0.35, cy - 0.02), (-0.95, cy - 0.30)], s.palette.main, 0.16, height=110)
    else:
        handle = spline(
            [
                (-rx * 0.8, cy - ry * 0.55),
                (-rx - 0.26, cy - ry * 0.55),
                (-rx - 0.30, cy + 0.05),
                (-rx * 0.86, cy + ry * 0.5),
            ],
            closed=False,
            steps=8,
        )
        s.stroke(handle, s.palette.main, 0.09, height=110)
    spout = spline(
        [
            (rx * 0.66, cy - 0.10),
            (rx + 0.12, cy - 0.12),
            (rx + 0.20, cy - ry * 0.62),
            (rx + 0.34, cy - ry * 0.78),
            (rx + 0.27, cy - ry * 0.28),
            (rx + 0.10, cy + 0.18),
            (rx * 0.7, cy + 0.30),
        ],
        steps=8,
    )
    s.fill(spout, s.palette.main, height=115)
    s.fill(ellipse(0, cy + ry * 0.94, rx * 0.6, 0.08), s.palette.dark, height=110)
    body = (
        rounded(
            mirrored([(0, cy - ry), (rx * 0.62, cy - ry), (rx, cy + ry * 0.5), (rx * 0.8, cy + ry), (0, cy + ry)]), 0.20
        )
        if tall
        else ellipse(0, cy, rx, ry)
    )
    s.cloth(body, height=150)
    lid = ellipse(0, cy - ry * 0.84, rx * 0.60, 0.13)
    s.cloth(lid, height=180)
    s.stroke(ellipse(0, cy - ry * 0.80, rx * 0.60, 0.13, 0, 180), s.palette.seam, 0.02)
    s.fill(
        ellipse(0, cy - ry * 0.84 - 0.17, 0.085, steps=18),
        s.palette.wood if s.chance(0.4) else s.palette.dark,
        height=200,
    )
    s.shade(ellipse(-rx * 0.42, cy - ry * 0.3, rx * 0.16, ry * 0.22), 56)
    s.shade(ellipse(rx * 0.1, cy + ry * 0.1, rx * 0.94, ry * 0.92, 20, 160), -34, 0.14)


def bowl(s: Sketch) -> None:
    """Deep rice bowl, wide salad bowl, or a footed bowl."""
    half = {"deep": 0.70, "wide": 0.94, "footed": 0.78}[s.style] + s.vary(-0.03, 0.02)
    depth = {"deep": 0.72, "wide": 0.52, "footed": 0.58}[s.style] + s.vary(-0.05, 0.05)
    top = -0.26
    s.fill(
        rounded(
            [
                (-0.30, top + depth - 0.04),
                (0.30, top + depth - 0.04),
                (0.34, top + depth + (0.22 if s.style == "footed" else 0.10)),
                (-0.34, top + depth + (0.22 if s.style == "footed" else 0.10)),
            ],
            0.03,
        ),
        s.palette.dark,
        height=110,
    )
    flank = [
        (half, top),
        (half * 0.95, top + depth * 0.35),
        (half * 0.74, top + depth * 0.76),
        (half * 0.36, top + depth),
    ]
    s.cloth(mirrored(np.concatenate([[(0.0, top)], spline(flank, closed=False), [(0.0, top + depth)]])), height=140)
    _mouth(s, 0.0, top, half, s.vary(0.17, 0.24))
    _round(s, 0.0, top + 0.30, top + depth * 0.8, half * 0.75)


def frying_pan(s: Sketch) -> None:
    """Seen from above: skillet, deep pan with two handles, or a square grill pan."""
    coat = mix(s.palette.main, (30, 30, 32), 0.75)
    if s.style == "two-handled":
        for x in (-0.72, 0.72):
            s.stroke(ellipse(x, 0, 0.20, 0.22), s.palette.main, 0.09, height=110)
        s.cloth(ellipse(0, 0, 0.72), height=170)
        s.fill(ellipse(0, 0, 0.60), coat, height=90)
        s.shade(ellipse(-0.1, -0.1, 0.36, 0.36, 180, 290), 40, 0.06)
        return
    s.stroke([(0.20, 0.20), (0.88, 0.88)], s.palette.wood if s.chance(0.5) else (44, 44, 48), 0.13, height=130)
    s.stroke([(0.16, 0.16), (0.34, 0.34)], s.palette.metal, 0.16, height=120)
    s.fill(ellipse(0.84, 0.84, 0.028, steps=12), (30, 30, 34), height=60)
    if s.style == "grill":
        s.cloth(box(-0.90, -0.90, 0.32, 0.32, 0.16), height=170)
        s.fill(box(-0.80, -0.80, 0.22, 0.22, 0.12), coat, height=90)
        for step in range(6):
            x = -0.70 + step * 0.162
            s.stroke([(x, -0.70), (x, 0.12)], mix(coat, (255, 255, 255), 0.14), 0.035, height=140)
    else:
        s.cloth(ellipse(-0.28, -0.28, 0.64), height=170)
        s.fill(ellipse(-0.28, -0.28, 0.53), coat, height=90)
        s.shade(ellipse(-0.34, -0.34, 0.34, 0.34, 180, 290), 44, 0.06)


def _mouth(s: Sketch, x: float, y: float, half: float, depth: float) -> None:
    """The opening of a vessel: a lit rim around a dark inside."""
    s.fill(ellipse(x, y, half, depth), s.palette.light, height=190)
    s.fill(ellipse(x, y + 0.012, half * 0.90, depth * 0.80), s.palette.dark, height=80)
    s.shade(ellipse(x, y - depth * 0.2, half * 0.7, depth * 0.5), -44)


def _round(s: Sketch, x: float, top: float, bottom: float, half: float) -> None:
    """A turned body: bright down one side, dark down both edges."""
    bright: Outline = outline([(x - half * 0.55, top), (x - half * 0.52, bottom)])
    s.shade(bright, 44, 0.08)
    s.shade([(x + half * 0.92, top), (x + half * 0.84, bottom)], -36, 0.16)
    s.shade([(x - half * 0.98, top), (x - half * 0.90, bottom)], -22, 0.08)
