"""Caps from the side, hats from the front."""

from __future__ import annotations

import numpy as np

from ruiji_demo.catalogue.colours import Rgb, mix
from ruiji_demo.catalogue.drawing.geometry import box, ellipse, mirrored, moved, rounded, spline
from ruiji_demo.catalogue.drawing.sketch import Sketch


def cap(s: Sketch) -> None:
    """Baseball cap from the side, flat-brimmed or curved, or a mesh-backed trucker cap."""
    crown = spline(
        [
            (-0.72, 0.34),
            (-0.70, -0.06),
            (-0.48, -0.44),
            (-0.06, -0.56),
            (0.34, -0.38),
            (0.50, 0.0),
            (0.52, 0.32),
            (-0.1, 0.40),
        ],
        steps=8,
    )
    s.cloth(crown, height=150)
    if s.style == "trucker":
        mesh = spline(
            [(-0.72, 0.34), (-0.70, -0.06), (-0.48, -0.44), (-0.16, -0.55), (-0.20, -0.1), (-0.24, 0.38)], steps=8
        )
        s.fill(mesh, s.palette.trim, height=148)
        for x in np.linspace(-0.66, -0.26, 8):
            s.stroke([(x, 0.30), (x + 0.10, -0.36)], mix(s.palette.trim, s.palette.dark, 0.5), 0.010)
    for points in ([(-0.06, -0.55), (-0.20, -0.1), (-0.22, 0.38)], [(-0.06, -0.55), (0.26, -0.18), (0.34, 0.36)]):
        s.seam(spline(points, closed=False), 0.016)
    s.fill(ellipse(-0.06, -0.57, 0.055, 0.035, steps=14), s.palette.dark, height=190)
    dip = 0.20 if s.style == "curved-brim" else 0.04
    brim = spline(
        [(0.10, 0.34), (0.50, 0.20), (0.80, 0.26), (0.97, 0.34 + dip), (0.88, 0.40 + dip), (0.5, 0.42), (0.16, 0.44)],
        steps=6,
    )
    s.fill(brim, s.palette.dark if s.chance(0.4) else s.palette.main, height=190)
    s.seam(spline([(0.44, 0.28), (0.72, 0.31), (0.88, 0.36 + dip)], closed=False))
    if s.chance(0.7):
        s.fill(ellipse(0.12, -0.06, 0.13, 0.15, steps=20), s.palette.ink, height=165)
        s.fill(
            moved(
                [
                    (0, -1),
                    (0.3, -0.3),
                    (1, -0.2),
                    (0.45, 0.25),
                    (0.6, 1),
                    (0, 0.55),
                    (-0.6, 1),
                    (-0.45, 0.25),
                    (-1, -0.2),
                    (-0.3, -0.3),
                ],
                0.12,
                -0.06,
                0.085,
            ),
            s.palette.main,
            height=165,
        )
    s.stroke(spline([(-0.70, 0.33), (-0.2, 0.41), (0.40, 0.36)], closed=False), s.palette.seam, 0.03)


def hat(s: Sketch) -> None:
    """Fedora, wide straw hat, bucket hat or knitted beanie."""
    draw = {"fedora": _brimmed, "wide-brim": _brimmed, "bucket": _bucket_hat, "beanie": _beanie}[s.style]
    draw(s)


def _brimmed(s: Sketch) -> None:
    wide = s.style == "wide-brim"
    brim = 0.97 if wide else s.vary(0.76, 0.84)
    s.cloth(
        spline(
            [
                (-brim, 0.16),
                (-0.5, 0.26),
                (0, 0.29),
                (0.5, 0.26),
                (brim, 0.16),
                (brim * 0.7, 0.40),
                (0, 0.50),
                (-brim * 0.7, 0.40),
            ],
            steps=8,
        ),
        height=110,
    )
    top = s.vary(-0.50, -0.40)
    pinch = 0.02 if wide else 0.12
    s.cloth(
        rounded(
            mirrored([(0, top + pinch), (0.22, top), (0.38, top + 0.10), (0.50, 0.30), (0.25, 0.36), (0, 0.37)]), 0.10
        ),
        height=160,
    )
    band: Rgb = s.palette.ink if s.chance(0.5) else s.palette.dark
    s.fill(
        spline(
            [(-0.49, 0.10), (0, 0.17), (0.49, 0.10), (0.51, 0.27), (0.25, 0.34), (-0.25, 0.34), (-0.51, 0.27)], steps=5
        ),
        band,
        height=175,
    )
    s.shade([(0, top + 0.10), (0.02, top + 0.30)], -34, 0.12)
    if wide:
        for share in (0.84, 0.92):
            s.shade(spline([(-brim * share, 0.19), (0, 0.46 * share), (brim * share, 0.19)], closed=False), -16, 0.015)


def _bucket_hat(s: Sketch) -> None:
    s.cloth(rounded(mirrored([(0, 0.16), (0.58, 0.10), (0.88, 0.44), (0.5, 0.58), (0, 0.62)]), 0.10), height=120)
    s.cloth(rounded(mirrored([(0, -0.50), (0.40, -0.48), (0.58, 0.14), (0.3, 0.22), (0, 0.24)]), 0.12), height=160)
    s.seam(spline([(-0.58, 0.13), (0, 0.24), (0.58, 0.13)], closed=False), 0.02)
    for y in (0.30, 0.40, 0.50):
        s.seam(spline([(-0.66 - y * 0.3, y - 0.07), (0, y + 0.05), (0.66 + y * 0.3, y - 0.07)], closed=False), 0.010)


def _beanie(s: Sketch) -> None:
    if s.chance(0.5):
        s.fill(ellipse(0, -0.70, 0.20, steps=22), s.palette.trim, height=190)
    s.cloth(
        spline(
            [
                (-0.60, 0.40),
                (-0.58, 0.0),
                (-0.40, -0.40),
                (0, -0.58),
                (0.40, -0.40),
                (0.58, 0.0),
                (0.60, 0.40),
                (0, 0.46),
            ],
            steps=8,
        ),
        height=140,
    )
    for x in np.linspace(-0.44, 0.44, 9):
        s.shade(spline([(x * 0.35, -0.50), (x * 1.05, -0.2), (x * 1.2, 0.25)], closed=False), -26, 0.025)
    s.fill(box(-0.66, 0.20, 0.66, 0.58, 0.08), s.palette.dark, height=180)
    for x in np.linspace(-0.60, 0.60, 17):
        s.stroke([(x, 0.24), (x, 0.54)], s.palette.main, 0.014)
