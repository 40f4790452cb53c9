"""Soft toys."""

from __future__ import annotations

from ruiji_demo.catalogue.drawing.geometry import (
    ellipse,
    rounded,
    spline,
)
from ruiji_demo.catalogue.drawing.sketch import Sketch


def soft_toy(s: Sketch) -> None:
    """A sitting bear, rabbit or cat."""
    belly = s.palette.light
    for side in (-1.0, 1.0):
        if s.style == "rabbit":
            s.fill(ellipse(0.20 * side, -0.78, 0.12, 0.26), s.palette.main, height=110)
            s.fill(ellipse(0.20 * side, -0.78, 0.06, 0.18), (238, 178, 178), height=112)
        elif s.style == "cat":
            s.fill(
                rounded([(0.12 * side, -0.76), (0.42 * side, -0.92), (0.44 * side, -0.48)], 0.06),
                s.palette.main,
                height=110,
            )
        else:
            s.fill(ellipse(0.34 * side, -0.72, 0.17), s.palette.main, height=110)
            s.fill(ellipse(0.34 * side, -0.72, 0.09), belly, height=112)
        s.cloth(ellipse(0.50 * side, 0.14, 0.17, 0.34), height=120)
    if s.style == "cat":
        s.stroke(
            spline([(0.40, 0.70), (0.80, 0.60), (0.84, 0.26), (0.70, 0.12)], closed=False),
            s.palette.main,
            0.12,
            height=100,
        )
    s.cloth(ellipse(0, 0.36, 0.48, 0.52), height=150)
    s.fill(ellipse(0, 0.40, 0.30, 0.34), belly, height=165)
    for side in (-1.0, 1.0):
        s.cloth(ellipse(0.42 * side, 0.76, 0.23, 0.19), height=185)
        s.fill(ellipse(0.45 * side, 0.77, 0.12, 0.10), belly, height=195)
    s.fill(ellipse(0, -0.38, 0.46, 0.42), s.palette.main, height=190)
    s.fill(ellipse(0, -0.26, 0.20, 0.15), belly, height=215)
    for x in (-0.17, 0.17):
        s.fill(ellipse(x, -0.46, 0.045, steps=14), (28, 24, 24), height=225)
        s.fill(ellipse(x - 0.014, -0.474, 0.014, steps=8), (250, 250, 250), height=225)
    s.fill(ellipse(0, -0.32, 0.06, 0.042, steps=14), (60, 40, 38), height=235)
    s.stroke(spline([(-0.08, -0.20), (0, -0.17), (0.08, -0.20)], closed=False), (60, 40, 38), 0.018)
    if s.chance(0.6):
        s.stroke(ellipse(0, -0.06, 0.30, 0.10, 10, 170), s.palette.ink, 0.085, height=220)
        for side in (-1.0, 1.0):
            s.fill(rounded([(0, 0.04), (0.20 * side, -0.06), (0.20 * side, 0.16)], 0.03), s.palette.ink, height=230)
