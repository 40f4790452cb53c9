"""Trousers, shorts, skirts and dresses, laid flat."""

from __future__ import annotations

import numpy as np

from ruiji_demo.catalogue.colours import mix
from ruiji_demo.catalogue.drawing.geometry import Point, box, ellipse, flipped, mirrored, rounded, spline
from ruiji_demo.catalogue.drawing.sketch import Sketch


def trousers(s: Sketch) -> None:
    """Two long legs; straight, wide or joggers."""
    outer, inner = {"straight": (0.40, 0.12), "wide": (0.60, 0.06), "jogger": (0.30, 0.09)}[s.style]
    outer += s.vary(-0.03, 0.05)
    _legs(s, bottom=0.95, outer=outer, inner=inner, crotch=s.vary(-0.26, -0.16))
    if s.style == "jogger":
        for cuff in s.both_sides(box(inner, 0.86, outer, 0.97, 0.03)):
            s.fill(cuff, s.palette.dark, height=150)
        _waist(s, elastic=True)
    else:
        _waist(s, elastic=False)
        for crease in s.both_sides([(0.26, -0.55), ((outer + inner) / 2, 0.92)]):
            s.shade(crease, 22, 0.03)


def shorts(s: Sketch) -> None:
    """Two short legs; chino, cargo with pockets, or sporty with side stripes."""
    bottom, outer = s.vary(0.22, 0.40), s.vary(0.58, 0.68)
    _legs(s, bottom=bottom, outer=outer, inner=0.07, crotch=-0.10, top=-0.62)
    if s.style == "cargo":
        for pocket in s.both_sides(rounded([(0.36, -0.05), (0.60, -0.08), (0.62, 0.18), (0.38, 0.20)], 0.03)):
            s.cloth(pocket, height=165)
            s.seam(np.concatenate([pocket, pocket[:1]]))
    if s.style == "sport":
        for stripe in s.both_sides([(0.46, -0.52), (outer - 0.05, bottom - 0.02)]):
            s.stroke(stripe, s.palette.ink, 0.05)
        _waist(s, elastic=True, top=-0.62)
    else:
        _waist(s, elastic=False, top=-0.62)


def skirt(s: Sketch) -> None:
    """A-line, pleated, pencil, or tiered."""
    top, waist = -0.70, s.vary(0.28, 0.34)
    hem = {"a-line": 0.74, "pleated": 0.80, "pencil": 0.40, "tiered": 0.72}[s.style] + s.vary(-0.05, 0.08)
    bottom = {"a-line": 0.50, "pleated": 0.52, "pencil": 0.78, "tiered": 0.80}[s.style] + s.vary(-0.10, 0.08)
    hip: Point = (0.46, -0.25) if s.style == "pencil" else (waist + (hem - waist) * 0.36, -0.25)
    s.cloth(
        rounded(
            mirrored([(0, top), (waist, top), hip, (hem, bottom), (hem * 0.5, bottom + 0.05), (0, bottom + 0.06)]), 0.06
        )
    )
    if s.style == "pleated":
        for share in np.linspace(-0.92, 0.92, 13):
            fold = [(share * waist, top + 0.10), (share * hem, bottom + 0.05 * (1 - abs(share)))]
            s.seam(fold)
            s.shade([(x + 0.03, y) for x, y in fold], -34, 0.045)
    elif s.style == "tiered":
        for share in (0.36, 0.68):
            width, y = waist + (hem - waist) * share, top + (bottom - top) * share
            s.seam(spline([(-width, y), (0, y + 0.05), (width, y)], closed=False), 0.02)
            for x in np.linspace(-width * 0.9, width * 0.9, 14):
                s.shade([(x, y + 0.04), (x * 1.05, y + 0.14)], -36, 0.03)
    else:
        for x in (-0.5, -0.1, 0.35, 0.7):
            s.shade([(x * waist, top + 0.2), (x * hem, bottom)], -20, 0.08)
            s.shade([(x * waist + 0.08, top + 0.2), (x * hem + 0.10, bottom)], 14, 0.06)
    if s.style == "pencil":
        s.seam([(0.0, bottom - 0.22), (0.0, bottom + 0.05)], 0.02)
    s.fill(box(-waist - 0.01, top - 0.05, waist + 0.01, top + 0.07, 0.02), s.palette.dark, height=160)


def dress(s: Sketch) -> None:
    """Sleeveless, short-sleeved, a long maxi, or a slip on thin straps."""
    long = s.style == "maxi"
    waist, hem = s.vary(0.24, 0.29), s.vary(0.52, 0.72)
    bottom, waist_y = (0.97, -0.24) if long else (s.vary(0.66, 0.88), s.vary(-0.20, -0.12))
    straps = s.style == "slip"
    shoulder = 0.20 if straps else 0.33
    top = -0.66 if straps else -0.88
    if s.style == "short-sleeve":
        for sleeve in s.both_sides(
            rounded([(0.22, -0.90), (0.36, -0.84), (0.62, -0.48), (0.44, -0.38), (0.30, -0.55)], 0.04)
        ):
            s.cloth(sleeve, height=96)
    if straps:
        for strap in s.both_sides([(0.24, -0.64), (0.16, -0.97)]):
            s.stroke(strap, s.palette.dark, 0.03, height=110)
    bodice: list[Point] = [
        (0, top + 0.12),
        (shoulder * 0.55, top),
        (shoulder, top + 0.03),
        (0.31, -0.58),
        (waist, waist_y),
    ]
    skirt_part: list[Point] = [
        (waist + 0.10, waist_y + 0.22),
        (hem, bottom),
        (hem * 0.5, bottom + 0.04),
        (0, bottom + 0.05),
    ]
    s.cloth(rounded(mirrored([*bodice, *skirt_part]), 0.07))
    if not straps:
        s.fill(ellipse(0, top + 0.0, shoulder * 0.58, 0.15, 0, 180), s.palette.dark, height=70)
    for x in (-0.8, -0.45, -0.1, 0.25, 0.6):
        s.shade([(x * waist, waist_y + 0.08), (x * hem, bottom)], -24, 0.07)
        s.shade([(x * waist + 0.06, waist_y + 0.10), (x * hem + 0.10, bottom)], 16, 0.05)
    if s.chance(0.7):
        s.fill(box(-waist - 0.01, waist_y - 0.04, waist + 0.01, waist_y + 0.035, 0.02), s.palette.dark, height=150)
    else:
        s.shade([(-waist, waist_y), (waist, waist_y)], -30, 0.04)
    for dart in s.both_sides([(0.14, -0.46), (0.12, waist_y)]):
        s.shade(dart, -18, 0.03)


def _legs(s: Sketch, *, bottom: float, outer: float, inner: float, crotch: float, top: float = -0.95) -> None:
    waist, hip = 0.30 if top < -0.8 else 0.36, 0.40 if top < -0.8 else 0.47
    leg = rounded(
        [(-0.02, top), (waist, top), (hip, crotch - 0.18), (outer, bottom), (inner, bottom + 0.01), (-0.02, crotch)],
        0.05,
    )
    s.cloth(leg, height=120)
    s.cloth(flipped(leg), height=120)
    s.seam([(0.0, top + 0.1), (0.0, crotch)], 0.014)
    s.shade([(0.0, crotch - 0.03), (0.02, crotch + 0.16)], -40, 0.06)
    for side in s.both_sides([(0.10, crotch + 0.02), (0.26, crotch - 0.08)]):
        s.shade(side, -22, 0.04)
    for side in s.both_sides([(inner, bottom - 0.05), (outer, bottom - 0.06)]):
        s.seam(side)


def _waist(s: Sketch, *, elastic: bool, top: float = -0.95) -> None:
    waist = 0.31 if top < -0.8 else 0.37
    band = box(-waist, top - 0.02, waist, top + 0.09, 0.02)
    s.cloth(band, height=150)
    s.seam([(-waist, top + 0.09), (waist, top + 0.09)], 0.014)
    for pocket in s.both_sides(
        spline([(0.14, top + 0.10), (0.19, top + 0.24), (waist + 0.05, top + 0.30)], closed=False)
    ):
        s.seam(pocket, 0.016)
    if elastic:
        for x in np.linspace(-waist + 0.04, waist - 0.04, 14):
            s.seam([(x, top), (x, top + 0.07)])
        for x in (-0.05, 0.05):
            s.stroke(
                spline([(x, top + 0.08), (x * 1.6, top + 0.2), (x * 1.2, top + 0.3)], closed=False),
                s.palette.trim,
                0.024,
                180,
            )
        return
    s.seam(spline([(0.0, top + 0.09), (0.055, top + 0.30), (0.0, top + 0.40)], closed=False))
    s.fill(ellipse(0, top + 0.035, 0.026, steps=12), s.palette.metal, height=190)
    for x in (-0.22, 0.22):
        s.fill(box(x - 0.02, top - 0.03, x + 0.02, top + 0.10), mix(s.palette.main, s.palette.seam, 0.4), height=170)
