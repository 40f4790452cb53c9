"""T-shirts, shirts, sweaters and hoodies, laid flat with sleeves spread."""

from __future__ import annotations

import numpy as np

from ruiji_demo.catalogue.drawing.geometry import (
    box,
    ellipse,
    rounded,
    spline,
)
from ruiji_demo.catalogue.drawing.products.garments import (
    buttons,
    cables,
    collar,
    crew_neck,
    folds,
    long_sleeves,
    ribbed_hem,
    short_sleeves,
    torso,
)
from ruiji_demo.catalogue.drawing.sketch import Sketch


def t_shirt(s: Sketch) -> None:
    """Short sleeves; crew neck, V-neck, polo collar or oversized."""
    wide = s.style == "oversized"
    neck = s.vary(0.19, 0.25)
    short_sleeves(s, reach=0.93 if wide else s.vary(0.78, 0.88), drop=0.12 if wide else s.vary(-0.08, 0.04))
    torso(s, neck=neck, hem=s.vary(0.50, 0.56) if wide else s.vary(0.42, 0.47), bottom=s.vary(0.74, 0.88))
    if s.style == "v-neck":
        s.fill([(-neck, -0.82), (neck, -0.82), (0.0, s.vary(-0.50, -0.40))], s.palette.dark, height=70)
        s.stroke([(-neck, -0.82), (0.0, -0.46), (neck, -0.82)], s.palette.seam, 0.035, height=135)
    elif s.style == "polo":
        s.fill(ellipse(0, -0.82, neck, 0.13, 0, 180), s.palette.dark, height=70)
        s.cloth(box(-0.05, -0.74, 0.05, -0.38), height=140)
        s.seam(box(-0.05, -0.74, 0.05, -0.38))
        buttons(s, top=-0.62, bottom=-0.44, count=2)
        collar(s, neck)
    else:
        crew_neck(s, neck, 0.13)
    folds(s)


def shirt(s: Sketch) -> None:
    """Collar and a row of buttons; long or short sleeves, or a band collar."""
    neck = s.vary(0.17, 0.21)
    if s.style == "short-sleeve":
        short_sleeves(s, reach=s.vary(0.80, 0.90), drop=s.vary(-0.04, 0.06))
    else:
        long_sleeves(s, cuff_height=0.13)
    bottom = s.vary(0.74, 0.86)
    hem = s.vary(0.42, 0.47)
    torso(s, neck=neck, hem=hem, bottom=bottom, tails=0.10)
    s.fill(ellipse(0, -0.81, neck, 0.10, 0, 180), s.palette.dark, height=70)
    s.seam([(-0.045, -0.68), (-0.045, bottom - 0.02)])
    s.seam([(0.045, -0.68), (0.045, bottom - 0.02)])
    s.shade([(0.06, -0.68), (0.06, bottom - 0.04)], -22, 0.03)
    buttons(s, top=-0.56, bottom=bottom - 0.14, count=6)
    if s.style == "band-collar":
        s.stroke(ellipse(0, -0.84, neck, 0.15, 5, 175), s.palette.light, 0.075, height=150)
        s.seam(ellipse(0, -0.81, neck * 1.1, 0.17, 10, 170))
    else:
        collar(s, neck)
    if s.chance(0.6):
        pocket = rounded([(0.14, -0.36), (0.34, -0.36), (0.34, -0.16), (0.24, -0.11), (0.14, -0.16)], 0.02)
        s.cloth(pocket, height=132)
        s.seam(np.concatenate([pocket, pocket[:1]]))
    folds(s)


def sweater(s: Sketch) -> None:
    """Knitted, with ribbed hem and cuffs; crew neck, turtleneck or an open cardigan."""
    neck = s.vary(0.20, 0.25)
    long_sleeves(s, cuff_height=0.16, ribbed=True, full=0.05)
    bottom = s.vary(0.66, 0.80)
    hem = s.vary(0.44, 0.50)
    torso(s, neck=neck, hem=hem, bottom=bottom)
    ribbed_hem(s, bottom, hem)
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
        buttons(s, top=-0.05, bottom=bottom - 0.10, count=5, radius=0.028, rgb=s.palette.wood)
    else:
        crew_neck(s, neck, 0.12, width=0.075)
    cables(s, bottom)
    folds(s)


def hoodie(s: Sketch) -> None:
    """Hood, kangaroo pocket and drawstrings; pulled over or zipped."""
    long_sleeves(s, cuff_height=0.15, ribbed=True, full=0.07)
    bottom = s.vary(0.70, 0.82)
    hem = s.vary(0.46, 0.50)
    hood = spline(
        [(0, -1.0), (0.30, -0.92), (0.42, -0.68), (0.26, -0.52), (-0.26, -0.52), (-0.42, -0.68), (-0.30, -0.92)]
    )
    s.cloth(hood, height=100)
    torso(s, neck=0.22, hem=hem, bottom=bottom)
    s.cloth(hood, height=170)
    opening = spline(
        [(0, -0.88), (0.20, -0.82), (0.25, -0.66), (0.06, -0.48), (-0.06, -0.48), (-0.25, -0.66), (-0.20, -0.82)]
    )
    s.fill(opening, s.palette.dark, height=70)
    s.shade(spline([(0, -0.84), (0.16, -0.78), (0.15, -0.66), (0, -0.54), (-0.15, -0.66), (-0.16, -0.78)]), -48)
    ribbed_hem(s, bottom, hem)
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
    folds(s)
