"""T-shirts, shirts, sweaters, hoodies and jackets, laid flat with sleeves spread."""

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


def t_shirt(s: Sketch) -> None:
    """Short sleeves; crew neck, V-neck, polo collar or oversized."""
    wide = s.style == "oversized"
    neck = s.vary(0.19, 0.25)
    _short_sleeves(s, reach=0.93 if wide else s.vary(0.78, 0.88), drop=0.12 if wide else s.vary(-0.08, 0.04))
    _torso(s, neck=neck, hem=s.vary(0.50, 0.56) if wide else s.vary(0.42, 0.47), bottom=s.vary(0.74, 0.88))
    if s.style == "v-neck":
        s.fill([(-neck, -0.82), (neck, -0.82), (0.0, s.vary(-0.50, -0.40))], s.palette.dark, height=70)
        s.stroke([(-neck, -0.82), (0.0, -0.46), (neck, -0.82)], s.palette.seam, 0.035, height=135)
    elif s.style == "polo":
        s.fill(ellipse(0, -0.82, neck, 0.13, 0, 180), s.palette.dark, height=70)
        s.cloth(box(-0.05, -0.74, 0.05, -0.38), height=140)
        s.seam(box(-0.05, -0.74, 0.05, -0.38))
        _buttons(s, top=-0.62, bottom=-0.44, count=2)
        _collar(s, neck)
    else:
        _crew_neck(s, neck, 0.13)
    _folds(s)


def shirt(s: Sketch) -> None:
    """Collar and a row of buttons; long or short sleeves, or a band collar."""
    neck = s.vary(0.17, 0.21)
    if s.style == "short-sleeve":
        _short_sleeves(s, reach=s.vary(0.80, 0.90), drop=s.vary(-0.04, 0.06))
    else:
        _long_sleeves(s, cuff_height=0.13)
    bottom = s.vary(0.74, 0.86)
    hem = s.vary(0.42, 0.47)
    _torso(s, neck=neck, hem=hem, bottom=bottom, tails=0.10)
    s.fill(ellipse(0, -0.81, neck, 0.10, 0, 180), s.palette.dark, height=70)
    s.seam([(-0.045, -0.68), (-0.045, bottom - 0.02)])
    s.seam([(0.045, -0.68), (0.045, bottom - 0.02)])
    s.shade([(0.06, -0.68), (0.06, bottom - 0.04)], -22, 0.03)
    _buttons(s, top=-0.56, bottom=bottom - 0.14, count=6)
    if s.style == "band-collar":
        s.stroke(ellipse(0, -0.84, neck, 0.15, 5, 175), s.palette.light, 0.075, height=150)
        s.seam(ellipse(0, -0.81, neck * 1.1, 0.17, 10, 170))
    else:
        _collar(s, neck)
    if s.chance(0.6):
        pocket = rounded([(0.14, -0.36), (0.34, -0.36), (0.34, -0.16), (0.24, -0.11), (0.14, -0.16)], 0.02)
        s.cloth(pocket, height=132)
        s.seam(np.concatenate([pocket, pocket[:1]]))
    _folds(s)


def sweater(s: Sketch) -> None:
    """Knitted, with ribbed hem and cuffs; crew neck, turtleneck or an open cardigan."""
    neck = s.vary(0.20, 0.25)
    _long_sleeves(s, cuff_height=0.16, ribbed=True, full=0.05)
    bottom = s.vary(0.66, 0.80)
    hem = s.vary(0.44, 0.50)
    _torso(s, neck=neck, hem=hem, bottom=bottom)
    _rib(s, bottom, hem)
    if s.style == "turtleneck":
        collar = rounded([(-0.20, -1.0), (0.20, -1.0), (0.24, -0.74), (-0.24, -0.74)], 0.05)
        s.cloth(collar, height=160)
        for x in np.linspace(-0.15, 0.15, 7):
            s.seam([(x, -0.97), (x * 1.15, -0.77)])
        s.shade([(-0.24, -0.73), (0.24, -0.73)], -40, 0.04)
    elif s.style == "cardigan":
        s.fill([(-neck, -0.83), (neck, -0.83), (0.03, -0.16), (-0.03, -0.16)], s.palette.dark, height=60)
        for side in s.both_sides([(neck, -0.84), (0.05, -0.14), (0.05, bottom + 0.02)]):
            s.stroke(side, s.palette.light, 0.07, height=145)
        s.stroke([(0.0, -0.10), (0.0, bottom)], s.palette.seam, 0.014)
        _buttons(s, top=-0.05, bottom=bottom - 0.10, count=5, radius=0.028, rgb=s.palette.wood)
    else:
        _crew_neck(s, neck, 0.12, width=0.075)
    _knit(s, bottom)
    _folds(s)


def hoodie(s: Sketch) -> None:
    """Hood, kangaroo pocket and drawstrings; pulled over or zipped."""
    _long_sleeves(s, cuff_height=0.15, ribbed=True, full=0.07)
    bottom = s.vary(0.70, 0.82)
    hem = s.vary(0.46, 0.50)
    hood = spline(
        [(0, -1.0), (0.30, -0.92), (0.42, -0.68), (0.26, -0.52), (-0.26, -0.52), (-0.42, -0.68), (-0.30, -0.92)]
    )
    s.cloth(hood, height=100)
    _torso(s, neck=0.22, hem=hem, bottom=bottom)
    s.cloth(hood, height=170)
    opening = spline(
        [(0, -0.88), (0.20, -0.82), (0.25, -0.66), (0.06, -0.48), (-0.06, -0.48), (-0.25, -0.66), (-0.20, -0.82)]
    )
    s.fill(opening, s.palette.dark, height=70)
    s.shade(spline([(0, -0.84), (0.16, -0.78), (0.15, -0.66), (0, -0.54), (-0.15, -0.66), (-0.16, -0.78)]), -48)
    _rib(s, bottom, hem)
    pocket = rounded(
        [(-0.26, 0.16), (0.26, 0.16), (0.38, 0.40), (0.38, bottom - 0.15), (-0.38, bottom - 0.15), (-0.38, 0.40)], 0.03
    )
    s.cloth(pocket, height=150)
    s.seam(np.concatenate([pocket, pocket[:1]]))
    if s.style == "zip-up":
        s.stroke([(0, -0.48), (0, bottom)], s.palette.metal, 0.035, height=160)
        s.stroke([(0, -0.48), (0, bottom)], s.palette.dark, 0.010)
    for x in (-0.10, 0.10):
        length = s.vary(0.24, 0.40)
        s.stroke(
            spline([(x, -0.52), (x * 1.25, -0.36), (x * 1.1, -0.52 + length)], closed=False), s.palette.trim, 0.026, 190
        )
    _folds(s)


def jacket(s: Sketch) -> None:
    """Outerwear: bomber, quilted puffer, denim or blazer."""
    bottom = {"bomber": 0.62, "puffer": 0.72, "denim": 0.66, "blazer": 0.84}[s.style] + s.vary(-0.04, 0.06)
    hem = s.vary(0.46, 0.50)
    full = 0.10 if s.style == "puffer" else 0.05
    _long_sleeves(s, cuff_height=0.12, ribbed=s.style == "bomber", full=full)
    _torso(s, neck=0.20, hem=hem, bottom=bottom)
    draw = {"bomber": _bomber, "puffer": _puffer, "denim": _denim, "blazer": _blazer}[s.style]
    draw(s, bottom, hem)
    _folds(s)


def _bomber(s: Sketch, bottom: float, hem: float) -> None:
    _rib(s, bottom, hem)
    s.stroke(ellipse(0, -0.83, 0.21, 0.12, 0, 180), s.palette.dark, 0.10, height=160)
    _zip(s, -0.72, bottom)
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
    _zip(s, -0.97, bottom)


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
    _collar(s, 0.20)
    _buttons(s, top=-0.54, bottom=bottom - 0.05, count=6, radius=0.026, rgb=s.palette.metal)


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
    _buttons(s, top=0.12, bottom=0.34, count=2, radius=0.032)
    for pocket in s.both_sides(rounded([(0.17, 0.34), (hem - 0.08, 0.31), (hem - 0.08, 0.40), (0.17, 0.43)], 0.02)):
        s.cloth(pocket, height=150)
        s.seam(np.concatenate([pocket, pocket[:1]]))


def _torso(s: Sketch, *, neck: float, hem: float, bottom: float, tails: float = 0.0) -> None:
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


def _short_sleeves(s: Sketch, *, reach: float, drop: float) -> None:
    tip_out: Point = (reach, -0.30 + drop)
    tip_in: Point = (reach - 0.22, -0.14 + drop)
    sleeve = rounded([(0.28, -0.80), _SHOULDER, tip_out, tip_in, (_ARMPIT[0], -0.22), (0.30, -0.2)], 0.03)
    for side in (sleeve, flipped(sleeve)):
        s.cloth(side, height=96)
    for side in s.both_sides([between(tip_out, _SHOULDER, 0.07), between(tip_in, _ARMPIT, 0.10)]):
        s.seam(side)


def _long_sleeves(s: Sketch, *, cuff_height: float, ribbed: bool = False, full: float = 0.0) -> None:
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


def _crew_neck(s: Sketch, neck: float, depth: float, width: float = 0.045) -> None:
    s.fill(ellipse(0, -0.82, neck, depth, 0, 180), s.palette.dark, height=70)
    s.fill(ellipse(0, -0.83, neck, 0.045), mix(s.palette.dark, s.palette.main, 0.4), height=80)
    s.stroke(ellipse(0, -0.82, neck, depth, 0, 180), mix(s.palette.main, s.palette.seam, 0.5), width, height=136)


def _collar(s: Sketch, neck: float) -> None:
    point = s.vary(-0.60, -0.54)
    for wing in s.both_sides([(0.0, -0.72), (neck * 0.9, -0.90), (neck + 0.07, -0.80), (neck * 0.95, point)]):
        s.fill(wing, s.palette.light, height=165)
        s.seam(np.concatenate([wing, wing[:1]]))


def _buttons(
    s: Sketch, *, top: float, bottom: float, count: int, radius: float = 0.020, rgb: tuple[int, int, int] | None = None
) -> None:
    for y in np.linspace(top, bottom, count):
        s.fill(ellipse(0, float(y), radius, steps=12), rgb or s.palette.trim, height=170)


def _zip(s: Sketch, top: float, bottom: float) -> None:
    s.stroke([(0, top), (0, bottom)], s.palette.metal, 0.04, height=140)
    s.stroke([(0, top), (0, bottom)], s.palette.dark, 0.012)
    s.fill(box(-0.02, top + 0.10, 0.02, top + 0.22, 0.015), s.palette.metal, height=190)


def _rib(s: Sketch, bottom: float, hem: float) -> None:
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


def _knit(s: Sketch, bottom: float) -> None:
    """Cables down the front of some; seen as light only."""
    if s.chance(0.5):
        for x in (-0.22, 0.0, 0.22) if s.style != "cardigan" else (-0.25, 0.25):
            y = np.linspace(-0.55, bottom - 0.15, 26)
            for phase in (0.0, np.pi):
                cable: Outline = np.stack([x + 0.035 * np.sin(y * 22 + phase), y], axis=1)
                s.shade(cable, 30 if phase else -30, 0.020)


def _folds(s: Sketch) -> None:
    for _ in range(3):
        x, y = s.vary(-0.34, 0.34), s.vary(-0.15, 0.45)
        lean = s.vary(-0.10, 0.10)
        fold = spline([(x, y), (x + lean * 0.4, y + 0.16), (x + lean, y + s.vary(0.24, 0.42))], closed=False, steps=4)
        s.shade(fold, -16, 0.05)
        s.shade(moved(fold, 0.05), 14, 0.04)
    for side in s.both_sides([(_ARMPIT[0] - 0.02, -0.42), (_ARMPIT[0] - 0.10, -0.20)]):
        s.shade(side, -20, 0.05)
