"""Sleeves, torsos, collars and folds that tops and jackets share."""

from __future__ import annotations

import numpy as np

from ruiji_demo.catalogue.colours import mix
from ruiji_demo.catalogue.drawing.geometry import (
    Outline,
    Point,
    between,
    box,
    ellipse,
    flipped,
    mirrored,
    moved,
    outline,
    rounded,
    spline,
)
from ruiji_demo.catalogue.drawing.sketch import Sketch

_ARMPIT: Point = (0.44, -0.30)

_SHOULDER: Point = (0.47, -0.70)


def torso(s: Sketch, *, neck: float, hem: float, bottom: float, tails: float = 0.0) -> None:
    """The body between the sleeves; `tails` rounds a shirt's hem up at the sides."""
    waist = hem - s.vary(0.0, 0.04)
    right: list[Point] = [
        (0.0, -0.78),
        (neck, -0.84),
        _SHOULDER,
        (_ARMPIT[0] + 0.02, -0.45),
        _ARMPIT,
        (waist, 0.15),
        (hem, bottom - tails),
    ]
    curve = mirrored([*right, (hem * 0.5, bottom), (0.0, bottom + 0.02)])
    s.cloth(rounded(curve, 0.05), height=120)


def short_sleeves(s: Sketch, *, reach: float, drop: float) -> None:
    """Two short sleeves; `reach` and `drop` place their ends."""
    tip_out: Point = (reach, -0.30 + drop)
    tip_in: Point = (reach - 0.22, -0.14 + drop)
    sleeve = rounded([(0.28, -0.80), _SHOULDER, tip_out, tip_in, (_ARMPIT[0], -0.22), (0.30, -0.2)], 0.03)
    for side in (sleeve, flipped(sleeve)):
        s.cloth(side, height=96)
    for side in s.both_sides([between(tip_out, _SHOULDER, 0.07), between(tip_in, _ARMPIT, 0.10)]):
        s.seam(side)


def long_sleeves(s: Sketch, *, cuff_height: float, ribbed: bool = False, full: float = 0.0) -> None:
    """Two long sleeves; `cuff_height` is a share of the forearm, `full` widens the elbow."""
    reach, low = s.vary(0.80, 0.92), s.vary(0.46, 0.66)
    tip_out, tip_in = (reach, low), (reach - 0.20, low + 0.06)
    elbow = (0.70 + full, -0.20)
    sleeve = rounded([(0.28, -0.80), _SHOULDER, elbow, tip_out, tip_in, (0.52, 0.0), _ARMPIT, (0.28, -0.2)], 0.06)
    cuff = outline([between(tip_out, elbow, cuff_height), tip_out, tip_in, between(tip_in, (0.52, 0.0), cuff_height)])
    for side, end in ((sleeve, cuff), (flipped(sleeve), flipped(cuff))):
        s.cloth(side, height=96)
        if ribbed:
            s.fill(rounded(end, 0.02), s.palette.dark, height=112)
        s.seam([end[0], end[3]], 0.016)
        s.shade(
            [between((0.55, -0.55), tip_out, 0.12), between((0.48, -0.2), tip_in, 0.7)] if side is sleeve else end[:2],
            -14,
            0.05,
        )


def crew_neck(s: Sketch, neck: float, depth: float, width: float = 0.045) -> None:
    """A round neckline with the back of the collar showing."""
    s.fill(ellipse(0, -0.82, neck, depth, 0, 180), s.palette.dark, height=70)
    s.fill(ellipse(0, -0.83, neck, 0.045), mix(s.palette.dark, s.palette.main, 0.4), height=80)
    s.stroke(ellipse(0, -0.82, neck, depth, 0, 180), mix(s.palette.main, s.palette.seam, 0.5), width, height=136)


def collar(s: Sketch, neck: float) -> None:
    """The two wings of a shirt collar."""
    point = s.vary(-0.60, -0.54)
    for wing in s.both_sides([(0.0, -0.72), (neck * 0.9, -0.90), (neck + 0.07, -0.80), (neck * 0.95, point)]):
        s.fill(wing, s.palette.light, height=165)
        s.seam(np.concatenate([wing, wing[:1]]))


def buttons(
    s: Sketch, *, top: float, bottom: float, count: int, radius: float = 0.020, rgb: tuple[int, int, int] | None = None
) -> None:
    """A column of buttons down the middle."""
    for y in np.linspace(top, bottom, count):
        s.fill(ellipse(0, float(y), radius, steps=12), rgb or s.palette.trim, height=170)


def zip_fastener(s: Sketch, top: float, bottom: float) -> None:
    """A zip down the middle, with its slider."""
    s.stroke([(0, top), (0, bottom)], s.palette.metal, 0.04, height=140)
    s.stroke([(0, top), (0, bottom)], s.palette.dark, 0.012)
    s.fill(box(-0.02, top + 0.10, 0.02, top + 0.22, 0.015), s.palette.metal, height=190)


def ribbed_hem(s: Sketch, bottom: float, hem: float) -> None:
    """A knitted band around the hem."""
    s.fill(
        rounded(
            [(-hem, bottom - 0.11), (hem, bottom - 0.11), (hem - 0.02, bottom + 0.03), (-hem + 0.02, bottom + 0.03)],
            0.03,
        ),
        s.palette.dark,
        height=132,
    )
    for x in np.linspace(-hem + 0.05, hem - 0.05, 15):
        s.stroke([(x, bottom - 0.09), (x, bottom + 0.01)], s.palette.main, 0.012)


def cables(s: Sketch, bottom: float) -> None:
    """Cables down the front of some; seen as light only."""
    if s.chance(0.5):
        for x in (-0.22, 0.0, 0.22) if s.style != "cardigan" else (-0.25, 0.25):
            y = np.linspace(-0.55, bottom - 0.15, 26)
            for phase in (0.0, np.pi):
                cable: Outline = np.stack([x + 0.035 * np.sin(y * 22 + phase), y], axis=1)
                s.shade(cable, 30 if phase else -30, 0.020)


def folds(s: Sketch) -> None:
    """Soft folds that a garment has when it is laid down."""
    for _ in range(3):
        x, y = s.vary(-0.34, 0.34), s.vary(-0.15, 0.45)
        lean = s.vary(-0.10, 0.10)
        fold = spline([(x, y), (x + lean * 0.4, y + 0.16), (x + lean, y + s.vary(0.24, 0.42))], closed=False, steps=4)
        s.shade(fold, -16, 0.05)
        s.shade(moved(fold, 0.05), 14, 0.04)
    for side in s.both_sides([(_ARMPIT[0] - 0.02, -0.42), (_ARMPIT[0] - 0.10, -0.20)]):
        s.shade(side, -20, 0.05)
