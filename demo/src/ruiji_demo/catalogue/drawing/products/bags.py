"""Handbags, backpacks, tote bags and suitcases, from the front."""

from __future__ import annotations

import numpy as np

from ruiji_demo.catalogue.drawing.geometry import box, ellipse, mirrored, moved, ring, rounded, spline
from ruiji_demo.catalogue.drawing.sketch import Sketch


def handbag(s: Sketch) -> None:
    """Satchel with a flap, top-handle bag, bucket bag or a clutch on a chain."""
    draw = {"satchel": _satchel, "top-handle": _top_handle, "bucket": _bucket, "chain": _chain}[s.style]
    draw(s)


def _satchel(s: Sketch) -> None:
    top, half = s.vary(-0.22, -0.10), s.vary(0.72, 0.84)
    _arch(s, half * 0.86, top + 0.04, -0.92, 0.05)
    s.cloth(rounded([(-half, top), (half, top), (half + 0.03, 0.74), (-half - 0.03, 0.74)], 0.12), height=120)
    flap = rounded(
        [
            (-half - 0.01, top - 0.04),
            (half + 0.01, top - 0.04),
            (half, 0.26),
            (half * 0.4, 0.40),
            (-half * 0.4, 0.40),
            (-half, 0.26),
        ],
        0.14,
    )
    s.cloth(flap, height=160)
    s.seam(np.concatenate([flap, flap[:1]]) * 0.96, 0.012)
    s.fill(box(-0.09, 0.30, 0.09, 0.46, 0.03), s.palette.metal, height=210)


def _top_handle(s: Sketch) -> None:
    half, base = s.vary(0.54, 0.64), s.vary(0.76, 0.86)
    _arch(s, 0.34, -0.16, s.vary(-0.84, -0.70), 0.06)
    s.cloth(rounded([(-half, -0.20), (half, -0.20), (base, 0.70), (-base, 0.70)], 0.08), height=130)
    s.fill(
        rounded([(-half - 0.01, -0.22), (half + 0.01, -0.22), (half + 0.03, -0.08), (-half - 0.03, -0.08)], 0.03),
        s.palette.dark,
        height=150,
    )
    for x in (-0.34, 0.34):
        s.fill(box(x - 0.05, -0.22, x + 0.05, 0.02, 0.02), s.palette.dark, height=170)
        s.fill(ellipse(x, -0.04, 0.03, steps=12), s.palette.metal, height=210)
    s.fill(box(-base, 0.60, base, 0.70, 0.04), s.palette.dark, height=140)
    s.fill(box(-0.13, 0.18, 0.13, 0.26, 0.02), s.palette.metal, height=180)


def _bucket(s: Sketch) -> None:
    top = s.vary(0.46, 0.54)
    _arch(s, top * 0.9, -0.24, -0.94, 0.05)
    s.fill(ellipse(0, -0.26, top, 0.10), s.palette.dark, height=60)
    s.cloth(mirrored([(0, -0.18), (top * 0.7, -0.20), (top, -0.27), (0.66, 0.50), (0.60, 0.74), (0, 0.80)]), height=130)
    s.stroke(
        spline([(-top * 1.04, -0.12), (0, -0.03), (top * 1.04, -0.12)], closed=False), s.palette.trim, 0.04, height=170
    )
    for x in (-0.05, 0.05):
        s.stroke(spline([(x, -0.04), (x * 2.2, 0.14), (x * 1.6, 0.30)], closed=False), s.palette.trim, 0.03, height=180)
    for x in (-0.3, -0.1, 0.15, 0.34):
        s.shade([(x, -0.1), (x * 1.15, 0.14)], -34, 0.04)


def _chain(s: Sketch) -> None:
    for angle in np.linspace(200, 340, 24):
        point = ellipse(0, 0.10, 0.80, 0.98, angle, angle + 1, steps=2)[0]
        s.fill(ellipse(float(point[0]), float(point[1]), 0.035, 0.025, steps=10), s.palette.metal, height=150)
    s.cloth(box(-0.82, -0.22, 0.82, 0.62, 0.10), height=130)
    s.cloth(rounded([(-0.83, -0.24), (0.83, -0.24), (0.80, 0.16), (0.0, 0.34), (-0.80, 0.16)], 0.08), height=165)
    for share in np.linspace(-1.4, 1.4, 9):
        s.shade([(share - 0.3, 0.6), (share + 0.3, -0.2)], -16, 0.02)
    s.fill(ellipse(0, 0.22, 0.08, steps=18), s.palette.metal, height=210)


def backpack(s: Sketch) -> None:
    """School daypack, roll-top, or a mini backpack with a round top."""
    half = {"daypack": 0.56, "roll-top": 0.52, "mini": 0.60}[s.style] + s.vary(-0.03, 0.04)
    top = {"daypack": -0.80, "roll-top": -0.70, "mini": -0.56}[s.style]
    for strap in s.both_sides(
        spline([(half * 0.6, top + 0.2), (half + 0.18, -0.1), (half + 0.12, 0.5), (half * 0.8, 0.74)], closed=False)
    ):
        s.stroke(strap, s.palette.dark, 0.11, height=70)
    s.stroke(ellipse(0, top + 0.02, 0.14, 0.16, 180, 360), s.palette.dark, 0.06, height=110)
    round_top = 0.12 if s.style == "roll-top" else 0.34
    s.cloth(
        rounded(
            [(-half, top), (half, top), (half + 0.05, 0.84), (-half - 0.05, 0.84)],
            [round_top, round_top, 0.16, 0.16],
            steps=8,
        ),
        height=130,
    )
    if s.style == "roll-top":
        s.fill(box(-half - 0.03, top - 0.08, half + 0.03, top + 0.10, 0.05), s.palette.dark, height=175)
        for x in (-0.24, 0.24):
            s.fill(box(x - 0.035, top - 0.08, x + 0.035, 0.10, 0.01), s.palette.trim, height=185)
            s.fill(box(x - 0.06, -0.06, x + 0.06, 0.06, 0.02), s.palette.metal, height=205)
    else:
        zipper = spline(
            [(-half, -0.05), (-half * 0.9, top + 0.28), (0, top + 0.14), (half * 0.9, top + 0.28), (half, -0.05)],
            closed=False,
        )
        s.stroke(zipper, s.palette.dark, 0.035, height=120)
        s.fill(box(half * 0.84, -0.06, half * 0.84 + 0.05, 0.08, 0.01), s.palette.metal, height=200)
    pocket = box(-half + 0.10, 0.20, half - 0.10, 0.74, 0.10)
    s.cloth(pocket, height=165)
    s.seam(np.concatenate([pocket, pocket[:1]]), 0.014)
    s.stroke([(-half + 0.14, 0.32), (half - 0.14, 0.32)], s.palette.dark, 0.03, height=150)
    if s.chance(0.6):
        s.fill(box(-0.12, -0.16, 0.12, -0.02, 0.03), s.palette.wood, height=160)


def tote(s: Sketch) -> None:
    """Canvas bag with two long handles: tall, wide, or with a bottom of another colour."""
    half = {"tall": 0.56, "wide": 0.80, "two-tone": 0.68}[s.style] + s.vary(-0.03, 0.03)
    top = s.vary(-0.24, -0.12)
    bottom = {"tall": 0.92, "wide": 0.66, "two-tone": 0.84}[s.style]
    handle = s.palette.trim if s.style == "two-tone" or s.chance(0.4) else s.palette.dark
    loop = spline(
        [
            (-half * 0.46, top + 0.04),
            (-half * 0.40, -0.72),
            (0, -0.93),
            (half * 0.40, -0.72),
            (half * 0.46, top + 0.04),
        ],
        closed=False,
    )
    s.stroke(moved(loop * (0.92, 0.96), 0.03), handle, 0.055, height=70)
    s.fill(box(-half, top - 0.03, half, top + 0.1), s.palette.dark, height=60)
    s.cloth(
        rounded(
            [(-half, top), (0, top + 0.03), (half, top), (half - 0.04, bottom), (-half + 0.04, bottom)],
            [0.01, 0.2, 0.01, 0.06, 0.06],
        ),
        height=120,
    )
    if s.style == "two-tone":
        s.fill(
            rounded([(-half + 0.02, 0.36), (half - 0.02, 0.36), (half - 0.04, bottom), (-half + 0.04, bottom)], 0.05),
            s.palette.trim,
            height=122,
        )
    s.stroke(loop, handle, 0.06, height=165)
    for x in (-half * 0.46, half * 0.46):
        s.stroke([(x, top + 0.04), (x, top + 0.26)], handle, 0.07, height=165)
    s.seam([(-half, top + 0.08), (half, top + 0.08)])
    for x in (-0.5, -0.15, 0.3, 0.6):
        s.shade([(x * half, top + 0.2), (x * half * 0.9 + 0.05, bottom - 0.1)], -16, 0.08)


def suitcase(s: Sketch) -> None:
    """Hard shell with ribs, soft shell with pockets, or a vintage trunk with straps."""
    if s.style == "vintage":
        _trunk(s)
        return
    half = s.vary(0.46, 0.56)
    s.stroke([(-0.20, -0.5), (-0.20, -0.94), (0.20, -0.94), (0.20, -0.5)], s.palette.metal, 0.04, height=90)
    s.stroke([(-0.20, -0.94), (0.20, -0.94)], (52, 52, 56), 0.07, height=120)
    for x in (-half + 0.10, half - 0.10):
        s.fill(ellipse(x, 0.90, 0.075, steps=18), (46, 46, 50), height=110)
    s.cloth(box(-half, -0.66, half, 0.86, 0.14), height=130)
    if s.style == "hard-shell":
        for x in np.linspace(-half + 0.12, half - 0.12, int(s.rng.integers(5, 9))):
            s.shade([(x, -0.54), (x, 0.74)], -40, 0.03)
            s.shade([(x + 0.035, -0.54), (x + 0.035, 0.74)], 36, 0.025)
    else:
        for y in (-0.46, 0.14):
            pocket = box(-half + 0.09, y, half - 0.09, y + 0.52, 0.06)
            s.cloth(pocket, height=160)
            s.stroke(np.concatenate([pocket, pocket[:1]]), s.palette.dark, 0.025)
    s.stroke([(-half + 0.03, 0.10), (-half + 0.03, 0.11)], s.palette.metal, 0.06, height=180)
    s.stroke(ellipse(0, -0.66, 0.13, 0.07, 180, 360), s.palette.dark, 0.05, height=170)


def _trunk(s: Sketch) -> None:
    s.stroke(ellipse(0, -0.42, 0.20, 0.20, 180, 360), s.palette.wood, 0.08, height=140)
    s.cloth(box(-0.90, -0.44, 0.90, 0.64, 0.08), height=130)
    s.fill(ring(box(-0.90, -0.44, 0.90, 0.64, 0.08), box(-0.84, -0.38, 0.84, 0.58, 0.06)), s.palette.wood, height=150)
    for x in (-0.48, 0.48):
        s.fill(box(x - 0.07, -0.44, x + 0.07, 0.64), s.palette.wood, height=165)
        s.fill(box(x - 0.10, -0.06, x + 0.10, 0.08, 0.02), s.palette.metal, height=200)
    s.seam([(-0.9, -0.12), (0.9, -0.12)], 0.02)
    s.fill(box(-0.08, -0.20, 0.08, -0.04, 0.02), s.palette.metal, height=200)


def _arch(s: Sketch, half: float, low: float, high: float, width: float) -> None:
    s.stroke(ellipse(0, low, half, low - high, 180, 360), s.palette.dark, width, height=110)
