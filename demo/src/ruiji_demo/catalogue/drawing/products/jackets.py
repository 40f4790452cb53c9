"""Outerwear, laid flat with sleeves spread."""

from __future__ import annotations

import numpy as np

from ruiji_demo.catalogue.colours import mix
from ruiji_demo.catalogue.drawing.geometry import (
    between,
    ellipse,
    rounded,
    spline,
)
from ruiji_demo.catalogue.drawing.products.garments import (
    buttons,
    collar,
    folds,
    long_sleeves,
    ribbed_hem,
    torso,
    zip_fastener,
)
from ruiji_demo.catalogue.drawing.sketch import Sketch


def jacket(s: Sketch) -> None:
    """Outerwear: bomber, quilted puffer, denim or blazer."""
    bottom = {"bomber": 0.62, "puffer": 0.72, "denim": 0.66, "blazer": 0.84}[s.style] + s.vary(-0.04, 0.06)
    hem = s.vary(0.46, 0.50)
    full = 0.10 if s.style == "puffer" else 0.05
    long_sleeves(s, cuff_height=0.12, ribbed=s.style == "bomber", full=full)
    torso(s, neck=0.20, hem=hem, bottom=bottom)
    draw = {"bomber": _bomber, "puffer": _puffer, "denim": _denim, "blazer": _blazer}[s.style]
    draw(s, bottom, hem)
    folds(s)


def _bomber(s: Sketch, bottom: float, hem: float) -> None:
    ribbed_hem(s, bottom, hem)
    s.stroke(ellipse(0, -0.83, 0.21, 0.12, 0, 180), s.palette.dark, 0.10, height=160)
    zip_fastener(s, -0.72, bottom)
    for side in s.both_sides([(0.22, 0.12), (0.32, 0.36)]):
        s.stroke(side, s.palette.dark, 0.045, height=100)


def _puffer(s: Sketch, bottom: float, hem: float) -> None:
    rows = np.linspace(-0.50, bottom - 0.02, int(s.rng.integers(5, 8)))
    for y in rows:
        s.stroke(spline([(-hem, y), (0, y + 0.03), (hem, y)], closed=False), s.palette.seam, 0.020, height=70)
        s.shade([(-hem + 0.03, y - 0.05), (hem - 0.03, y - 0.05)], -34, 0.05)
        s.shade([(-hem + 0.05, y + 0.08), (hem - 0.05, y + 0.08)], 34, 0.05)
    for share in (0.25, 0.45, 0.65, 0.85):
        for side in s.both_sides(
            [between((0.52, -0.66), (0.97, 0.5), share), between((0.46, -0.28), (0.72, 0.52), share)]
        ):
            s.stroke(side, s.palette.seam, 0.018, height=70)
    s.cloth(rounded([(-0.20, -0.98), (0.20, -0.98), (0.25, -0.72), (-0.25, -0.72)], 0.06), height=165)
    zip_fastener(s, -0.97, bottom)


def _denim(s: Sketch, bottom: float, hem: float) -> None:
    stitch = mix(s.palette.main, (236, 190, 120), 0.7)
    for x in (0.16, 0.34):
        for side in s.both_sides([(x, -0.40), (x * 0.8, bottom - 0.10)]):
            s.stroke(side, stitch, 0.012)
    s.stroke([(-hem, bottom - 0.10), (hem, bottom - 0.10)], stitch, 0.012)
    for flap in s.both_sides(
        rounded([(0.13, -0.38), (0.38, -0.38), (0.38, -0.28), (0.255, -0.22), (0.13, -0.28)], 0.02)
    ):
        s.cloth(flap, height=150)
        s.stroke(np.concatenate([flap, flap[:1]]), stitch, 0.012)
    s.seam([(0.0, -0.70), (0.0, bottom)], 0.02)
    s.fill(ellipse(0, -0.82, 0.19, 0.10, 0, 180), s.palette.dark, height=70)
    collar(s, 0.20)
    buttons(s, top=-0.54, bottom=bottom - 0.05, count=6, radius=0.026, rgb=s.palette.metal)


def _blazer(s: Sketch, bottom: float, hem: float) -> None:
    shirt = mix(s.palette.trim, (255, 255, 255), 0.6)
    s.fill([(-0.20, -0.83), (0.20, -0.83), (0.02, 0.02), (-0.02, 0.02)], shirt, height=70)
    for lapel in s.both_sides(
        [(0.20, -0.86), (0.34, -0.58), (0.26, -0.52), (0.31, -0.44), (0.02, 0.04), (0.12, -0.50)]
    ):
        s.cloth(lapel, height=165)
        s.seam(np.concatenate([lapel, lapel[:1]]), 0.014)
    s.seam([(0.0, 0.03), (-0.02, bottom)], 0.022)
    s.shade([(0.03, 0.06), (0.01, bottom)], -36, 0.04)
    buttons(s, top=0.12, bottom=0.34, count=2, radius=0.032)
    for pocket in s.both_sides(rounded([(0.17, 0.34), (hem - 0.08, 0.31), (hem - 0.08, 0.40), (0.17, 0.43)], 0.02)):
        s.cloth(pocket, height=150)
        s.seam(np.concatenate([pocket, pocket[:1]]))
