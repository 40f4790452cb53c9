"""Boots and heels from the side, toe to the right; sandals as a pair from above."""

from __future__ import annotations

import numpy as np

from ruiji_demo.catalogue.colours import mix
from ruiji_demo.catalogue.drawing.geometry import Point, between, box, ellipse, flipped, moved, outline, rounded, spline
from ruiji_demo.catalogue.drawing.products.sneakers import laces
from ruiji_demo.catalogue.drawing.sketch import Sketch


def boot(s: Sketch) -> None:
    """Chelsea, lace-up, rain or long boot."""
    top = {"chelsea": -0.52, "lace-up": -0.58, "rain": -0.86, "long": -0.94}[s.style]
    calf = 0.10 if top > -0.7 else 0.04
    heel = s.vary(0.10, 0.18) if s.style != "rain" else 0.07
    shaft = [
        (-0.62, 0.56),
        (-0.66, 0.20),
        (-0.60, top),
        (calf, top),
        (calf - 0.02, -0.06),
        (0.16, 0.12),
        (0.56, 0.22),
        (0.80, 0.36),
        (0.84, 0.56),
    ]
    s.fill(ellipse((calf - 0.60) / 2, top, (calf + 0.60) / 2, 0.06), s.palette.dark, height=60)
    s.cloth(rounded(shaft, 0.12), height=130)
    if s.style == "chelsea":
        s.fill(
            rounded([(-0.36, top + 0.04), (-0.14, top + 0.04), (-0.20, 0.06), (-0.30, 0.06)], 0.04),
            s.palette.dark,
            height=110,
        )
        s.stroke(
            [(-0.62, top - 0.02), (-0.62, top - 0.14), (-0.54, top - 0.14), (-0.54, top)],
            s.palette.dark,
            0.03,
            height=120,
        )
    elif s.style == "lace-up":
        s.fill(
            rounded([(calf - 0.20, top - 0.04), (calf + 0.04, top - 0.10), (0.26, 0.14), (0.10, 0.16)], 0.04),
            s.palette.dark,
            height=110,
        )
        laces(s, top=(calf - 0.10, top + 0.08), bottom=(0.22, 0.14), count=7)
        s.fill(
            spline([(0.50, 0.56), (0.54, 0.30), (0.72, 0.28), (0.84, 0.44), (0.84, 0.56)], steps=4),
            s.palette.dark,
            height=150,
        )
    elif s.style == "rain":
        s.fill(box(-0.63, top - 0.02, calf + 0.02, top + 0.10, 0.03), s.palette.ink, height=150)
        s.shade([(-0.40, top + 0.2), (-0.44, 0.2)], 50, 0.07)
    else:
        s.stroke([(-0.50, top + 0.04), (-0.50, 0.30)], s.palette.metal, 0.02)
        s.shade([(-0.2, top + 0.15), (-0.16, 0.0)], 30, 0.10)
    for y in (-0.02, 0.08):
        s.shade(spline([(-0.10, y), (0.02, y + 0.04), (0.16, y + 0.02)], closed=False), -26, 0.03)
    sole = mix(s.palette.trim, (40, 34, 30), 0.65)
    s.fill(
        rounded(
            [
                (-0.68, 0.54),
                (0.86, 0.54),
                (0.84, 0.64),
                (-0.10, 0.63),
                (-0.18, 0.62),
                (-0.20, 0.62 + heel),
                (-0.66, 0.62 + heel),
            ],
            0.03,
        ),
        sole,
        height=170,
    )


def heel(s: Sketch) -> None:
    """Pumps, stilettos with an ankle strap, wedges, or block heels."""
    lift = s.vary(0.34, 0.56)
    back = 0.52 - lift
    toe: Point = (0.90, 0.50)
    arch = [
        (-0.72, back + 0.02),
        (-0.30, back + 0.14),
        (0.20, 0.46),
        toe,
        (0.80, 0.54),
        (0.28, 0.54),
        (-0.24, back + 0.24),
        (-0.62, back + 0.16),
    ]
    if s.style == "wedge":
        s.fill(
            rounded(
                [(-0.74, back), (-0.20, back + 0.16), (0.30, 0.50), (0.84, 0.50), (0.84, 0.58), (-0.70, 0.58)], 0.05
            ),
            s.palette.wood,
            height=100,
        )
        for y in np.linspace(back + 0.14, 0.54, 6):
            s.shade([(-0.68, y), (0.4, y + 0.01)], -18, 0.015)
    else:
        width = 0.05 if s.style == "stiletto" else s.vary(0.10, 0.13) if s.style == "pump" else 0.24
        spike = [(-0.74, back), (-0.44, back + 0.12), (-0.66 + width, 0.58), (-0.66, 0.58)]
        s.fill(rounded(spike, 0.03), s.palette.dark, height=100)
    s.fill(rounded(arch, 0.08), s.palette.trim, height=110)
    if s.style in ("pump", "block"):
        upper = [
            (-0.76, back - 0.16),
            (-0.66, back - 0.18),
            (-0.40, back + 0.06),
            (0.16, 0.30),
            (0.44, 0.22),
            (0.66, 0.36),
            toe,
            (0.84, 0.52),
            (0.28, 0.52),
            (-0.24, back + 0.20),
            (-0.70, back + 0.10),
        ]
        s.cloth(rounded(upper, 0.07), height=140)
        s.fill(
            spline(
                [
                    (-0.62, back - 0.08),
                    (-0.40, back + 0.07),
                    (0.14, 0.31),
                    (0.40, 0.25),
                    (0.16, 0.36),
                    (-0.36, back + 0.12),
                ],
                steps=4,
            ),
            s.palette.dark,
            height=90,
        )
        if s.style == "block":
            s.fill(box(0.40, 0.24, 0.56, 0.32, 0.02), s.palette.metal, height=180)
    else:
        s.cloth(rounded([(0.30, 0.36), (0.52, 0.22), (0.74, 0.36), (0.80, 0.52), (0.44, 0.54)], 0.08), height=145)
        s.cloth(
            rounded(
                [
                    (-0.78, back - 0.02),
                    (-0.74, back - 0.36),
                    (-0.62, back - 0.38),
                    (-0.48, back + 0.08),
                    (-0.62, back + 0.14),
                ],
                0.05,
            ),
            height=140,
        )
        s.stroke(
            spline(
                [
                    (-0.70, back - 0.32),
                    (-0.42, back - 0.36),
                    (-0.24, back - 0.26),
                    (-0.46, back - 0.20),
                    (-0.70, back - 0.28),
                ],
                closed=False,
            ),
            s.palette.main,
            0.045,
            height=150,
        )
        s.fill(ellipse(-0.26, back - 0.28, 0.035, steps=12), s.palette.metal, height=200)
    s.shade(spline([(0.46, 0.34), (0.62, 0.36), (0.74, 0.46)], closed=False), 40, 0.05)
    s.stroke([(0.24, 0.545), (0.84, 0.545)], s.palette.dark, 0.03, height=100)


def sandal(s: Sketch) -> None:
    """A pair from above: flip-flops, slides or crossed straps."""
    length, width = s.vary(0.78, 0.88), s.vary(0.24, 0.29)
    foot = outline(
        [
            (0.02, -1.0),
            (0.72, -0.86),
            (1.0, -0.46),
            (0.82, 0.10),
            (0.74, 0.60),
            (0.60, 0.94),
            (0.0, 1.06),
            (-0.60, 0.94),
            (-0.74, 0.55),
            (-0.78, 0.0),
            (-0.96, -0.50),
            (-0.60, -0.92),
        ]
    )
    sole = spline(foot * (width, length), steps=5)
    for side in (1.0, -1.0):
        shape = moved(sole if side > 0 else flipped(sole), 0.36 * side)
        s.fill(moved(shape, 0.0, 0.03), s.palette.dark, height=60)
        s.fill(shape, s.palette.trim if s.style != "flip-flop" else s.palette.light, height=100)
        inner = moved(sole if side > 0 else flipped(sole), 0.36 * side, 0.0, 0.86)
        s.stroke(np.concatenate([inner, inner[:1]]), mix(s.palette.trim, s.palette.dark, 0.3), 0.012)
        left, right = 0.36 * side - width, 0.36 * side + width
        if s.style == "flip-flop":
            knot: Point = (0.36 * side, -0.46)
            for x in (left + 0.01, right - 0.01):
                s.stroke(
                    spline([knot, between(knot, (x, 0.1), 0.5), (x, 0.14)], closed=False, steps=4),
                    s.palette.main,
                    0.075,
                    height=170,
                )
            s.fill(ellipse(*knot, 0.05, steps=14), s.palette.main, height=190)
        elif s.style == "slide":
            s.cloth(
                rounded([(left - 0.03, -0.44), (right + 0.03, -0.44), (right + 0.02, 0.04), (left - 0.02, 0.04)], 0.07),
                height=180,
            )
        else:
            s.stroke([(left, -0.46), (right, -0.02)], s.palette.main, 0.12, height=170)
            s.stroke([(right, -0.46), (left, -0.02)], s.palette.main, 0.12, height=185)
            s.stroke([(left, 0.42), (right, 0.42)], s.palette.main, 0.10, height=170)
            s.fill(box(right - 0.08, 0.36, right - 0.01, 0.48, 0.02), s.palette.metal, height=200)
