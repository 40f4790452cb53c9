"""Watches, sunglasses, umbrellas and ties."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ruiji_demo.catalogue.colours import Rgb
from ruiji_demo.catalogue.drawing.geometry import box, ellipse, flipped, mirrored, moved, rounded, spline
from ruiji_demo.catalogue.drawing.sketch import Sketch


def watch(s: Sketch) -> None:
    """Round or square dial on leather, or a digital sports watch."""
    half = s.vary(0.17, 0.22)
    metal = s.palette.metal
    for sign in (1.0, -1.0):
        strap = rounded([(-half, 0.2), (half, 0.2), (half * 0.82, 0.96), (-half * 0.82, 0.96)], 0.05)
        s.cloth(strap * (1.0, sign), height=110)
        edge = [(half * 0.8, 0.3 * sign), (half * 0.66, 0.90 * sign)]
        for side in (edge, flipped(edge).tolist()):
            s.seam(side, 0.012)
    for y in np.linspace(0.60, 0.88, 4):
        s.fill(ellipse(0, float(y), 0.022, steps=10), s.palette.dark, height=80)
    s.stroke([(-half * 0.9, -0.86), (half * 0.9, -0.86)], metal, 0.05, height=150)
    if s.style == "digital":
        s.fill(box(-0.42, -0.42, 0.42, 0.42, 0.14), s.palette.main, height=170)
        s.fill(box(-0.31, -0.26, 0.31, 0.26, 0.05), (44, 50, 52), height=190)
        s.fill(box(-0.26, -0.20, 0.26, 0.20, 0.03), (168, 186, 168), height=185)
        for x in (-0.18, -0.06, 0.08, 0.20):
            s.stroke([(x - 0.03, 0.0), (x + 0.03, 0.0), (x + 0.03, -0.11), (x - 0.03, -0.11)], (36, 44, 40), 0.024)
            low = x + s.rng.choice([-0.03, 0.03])
            s.stroke([(low, 0.0), (low, 0.11), (x + 0.03, 0.11)], (36, 44, 40), 0.024)
        for button in s.both_sides(box(0.40, -0.20, 0.47, -0.08, 0.02)):
            s.fill(button, metal, height=160)
        return
    dial: Rgb = s.palette.trim if s.chance(0.7) else (38, 42, 56)
    hand: Rgb = (40, 40, 46) if sum(dial) > 380 else (236, 234, 226)
    if s.style == "square":
        case, face = box(-0.36, -0.42, 0.36, 0.42, 0.12), box(-0.29, -0.35, 0.29, 0.35, 0.08)
    else:
        case, face = ellipse(0, 0, 0.46), ellipse(0, 0, 0.385)
    s.fill(
        box(0.40 if s.style != "square" else 0.32, -0.05, 0.54 if s.style != "square" else 0.44, 0.05, 0.02),
        metal,
        height=140,
    )
    s.fill(case, metal, height=180)
    s.fill(face, dial, height=150)
    for hour in range(12):
        angle = hour * np.pi / 6
        x, y = np.sin(angle), -np.cos(angle)
        s.stroke([(x * 0.29, y * 0.29), (x * 0.34, y * 0.34)], hand, 0.028 if hour % 3 == 0 else 0.014)
    for angle, length, width in ((s.vary(0, 6.28), 0.19, 0.032), (s.vary(0, 6.28), 0.28, 0.020)):
        s.stroke([(0, 0), (np.sin(angle) * length, -np.cos(angle) * length)], hand, width)
    s.fill(ellipse(0, 0, 0.028, steps=12), hand, height=160)
    s.shade(spline([(-0.26, -0.16), (-0.10, -0.28), (0.06, -0.30), (-0.20, -0.04)], steps=4), 34)


def sunglasses(s: Sketch) -> None:
    """Round, aviator, square or cat-eye frames."""
    lens = {
        "round": ellipse(0.44, 0.0, 0.36),
        "aviator": spline(
            [(0.12, -0.20), (0.44, -0.28), (0.80, -0.20), (0.80, 0.08), (0.58, 0.36), (0.30, 0.30), (0.12, 0.02)],
            steps=8,
        ),
        "square": box(0.10, -0.28, 0.82, 0.28, 0.10),
        "cat-eye": spline(
            [(0.10, -0.16), (0.46, -0.28), (0.92, -0.40), (0.84, 0.02), (0.56, 0.26), (0.22, 0.20)], steps=8
        ),
    }[s.style] * (1.0, s.vary(0.92, 1.1))
    tint: Rgb = ((44, 46, 52), (74, 62, 52), (58, 78, 98), (88, 60, 92))[int(s.rng.integers(4))]
    metal_frame = s.style == "aviator"
    width = s.vary(0.04, 0.06) if metal_frame else s.vary(0.075, 0.11)
    for side in (1.0, -1.0):
        s.stroke(
            spline(
                [(0.84 * side, -0.14), (0.90 * side, -0.40), (0.70 * side, -0.56), (0.30 * side, -0.52)], closed=False
            ),
            s.palette.main,
            0.06,
            height=70,
        )
    s.stroke(spline([(-0.16, -0.06), (0, -0.14), (0.16, -0.06)], closed=False), s.palette.main, width, height=120)
    if metal_frame:
        s.stroke([(-0.30, -0.27), (0.30, -0.27)], s.palette.main, width, height=120)
    for shape in (lens, flipped(lens)):
        s.fill(shape, tint, height=100)
        s.stroke(np.concatenate([shape, shape[:2]]), s.palette.main, width, height=170)
        centre = shape.mean(axis=0)
        s.shade([(centre[0] - 0.16, centre[1] + 0.12), (centre[0] + 0.06, centre[1] - 0.16)], 60, 0.07)
        s.shade([(centre[0] + 0.02, centre[1] + 0.14), (centre[0] + 0.14, centre[1] - 0.02)], 36, 0.03)


def umbrella(s: Sketch) -> None:
    """An open umbrella from the side: dome, wide golf umbrella, or with a scalloped parasol edge."""
    high = {"dome": -0.86, "golf": -0.62, "parasol": -0.70}[s.style] + s.vary(-0.04, 0.04)
    half, rim = 0.95, 0.02
    s.stroke([(0, high - 0.12), (0, 0.66)], s.palette.metal, 0.035, height=110)
    s.stroke(
        spline([(0, 0.62), (0, 0.82), (0.10, 0.93), (0.20, 0.84), (0.20, 0.76)], closed=False),
        s.palette.wood,
        0.075,
        height=140,
    )
    ribs = np.linspace(-half, half, 6)
    dip = 0.10 if s.style == "parasol" else 0.07
    scallops = [
        (float(a + (b - a) * t), rim - dip * float(np.sin(np.pi * t)))
        for a, b in pairwise(ribs)
        for t in (0.0, 0.25, 0.5, 0.75)
    ]
    arc = ellipse(0, rim, half, rim - high, 180, 360, steps=28)
    s.cloth(np.concatenate([arc, np.asarray(scallops[::-1])]), height=140)
    for rib in ribs[1:-1]:
        line = spline([(0, high), (float(rib) * 0.72, high * 0.55), (float(rib), rim)], closed=False)
        s.seam(line, 0.014)
        s.shade(moved(line, 0.03 if rib > 0 else -0.03), -28, 0.05)
    for left, right in pairwise(ribs):
        s.shade([(0.0, high + 0.06), ((left + right) / 2, rim - 0.12)], 16, 0.08)


def tie(s: Sketch) -> None:
    """A tied necktie: classic, slim or knitted with a square end; or a bow tie."""
    if s.style == "bow":
        wing = rounded([(0.06, -0.10), (0.84, -0.40), (0.94, 0.0), (0.84, 0.40), (0.06, 0.10)], 0.12)
        for side in (wing, flipped(wing)):
            s.cloth(side, height=130)
        for fold in s.both_sides([(0.12, 0.0), (0.5, 0.06)]):
            s.shade(fold, -40, 0.05)
        s.cloth(box(-0.13, -0.17, 0.13, 0.17, 0.06), height=190)
        s.seam([(-0.13, -0.12), (-0.13, 0.12)])
        return
    half = {"classic": 0.25, "slim": 0.16, "knit": 0.18}[s.style] + s.vary(-0.02, 0.02)
    s.stroke(ellipse(0, -0.90, 0.22, 0.11, 60, 480), s.palette.main, 0.07, height=90)
    tail = mirrored([(0, -0.62), (0.09, -0.62), (half, 0.60), (0, 0.60 if s.style == "knit" else 0.94)])
    if s.style != "knit":
        tail = mirrored([(0, -0.62), (0.09, -0.62), (half, 0.66), (0, 0.94)])
    s.cloth(tail, height=130)
    s.cloth(rounded([(-0.16, -0.86), (0.16, -0.86), (0.09, -0.58), (-0.09, -0.58)], 0.03), height=180)
    s.shade([(-0.06, -0.54), (0.06, -0.54)], -50, 0.04)
    s.shade([(0.02, -0.46), (-0.02, -0.1)], -24, 0.05)
    s.shade([(-half * 0.4, 0.0), (-half * 0.5, 0.6)], 16, 0.06)
