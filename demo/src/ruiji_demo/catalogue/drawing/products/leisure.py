"""Guitars, balls, rackets, bicycles, skateboards and soft toys."""

from __future__ import annotations

import numpy as np

from ruiji_demo.catalogue.colours import Rgb, mix
from ruiji_demo.catalogue.drawing.geometry import (
    Outline,
    Point,
    box,
    ellipse,
    mirrored,
    moved,
    outline,
    rotated,
    rounded,
    spline,
)
from ruiji_demo.catalogue.drawing.sketch import Sketch

_RUBBER: Rgb = (44, 44, 48)
_BALL = 0.84
"""Radius of a ball."""


def guitar(s: Sketch) -> None:
    """Acoustic, two electric shapes, or a ukulele; leaning upright."""
    small = s.style == "ukulele"
    neck_top = -0.62 if small else -0.72
    fingerboard = mix(s.palette.wood, (40, 24, 16), 0.6)
    if s.style in ("acoustic", "ukulele"):
        body = [
            (0, -0.10),
            (0.26, -0.12),
            (0.30, 0.10),
            (0.23, 0.28),
            (0.42, 0.58),
            (0.34, 0.88),
            (0, 0.96),
            (-0.34, 0.88),
            (-0.42, 0.58),
            (-0.23, 0.28),
            (-0.30, 0.10),
            (-0.26, -0.12),
        ]
        s.cloth(spline(body, steps=8) * (1.05, 1.0), height=150)
        s.stroke(spline([*body, body[0]], closed=False, steps=8) * (1.03, 0.995), s.palette.dark, 0.025, height=140)
        s.fill(ellipse(0, 0.34, 0.125), s.palette.trim, height=130)
        s.fill(ellipse(0, 0.34, 0.105), (36, 26, 22), height=90)
        s.fill(box(-0.16, 0.66, 0.16, 0.72, 0.02), fingerboard, height=180)
    else:
        shapes = {
            "double-cut": [
                (-0.06, 0.16),
                (-0.30, -0.06),
                (-0.38, 0.02),
                (-0.25, 0.36),
                (-0.42, 0.66),
                (-0.28, 0.94),
                (0, 0.96),
                (0.28, 0.94),
                (0.42, 0.64),
                (0.26, 0.38),
                (0.34, 0.12),
                (0.24, 0.08),
                (0.06, 0.26),
            ],
            "single-cut": [
                (-0.06, 0.04),
                (-0.30, 0.02),
                (-0.32, 0.24),
                (-0.24, 0.40),
                (-0.42, 0.66),
                (-0.26, 0.94),
                (0, 0.97),
                (0.26, 0.94),
                (0.42, 0.66),
                (0.24, 0.42),
                (0.34, 0.22),
                (0.20, 0.14),
                (0.06, 0.22),
            ],
        }
        key = "single-cut" if s.style == "single-cut" else "double-cut"
        s.cloth(spline(shapes[key], steps=8) * (1.05, 1.0), height=160)
        s.fill(
            spline([(-0.10, 0.28), (0.12, 0.28), (0.22, 0.50), (0.12, 0.78), (-0.14, 0.74)], steps=6),
            s.palette.trim,
            height=170,
        )
        for y in (0.40, 0.53, 0.66):
            s.fill(box(-0.11, y - 0.028, 0.11, y + 0.028, 0.02), (46, 46, 50), height=195)
        for y in (0.66, 0.78):
            s.fill(ellipse(0.22, y, 0.035, steps=12), s.palette.metal, height=200)
        s.fill(box(-0.11, 0.76, 0.11, 0.82, 0.01), s.palette.metal, height=200)
    low = 0.26
    s.fill(outline([(-0.042, neck_top), (0.042, neck_top), (0.055, low), (-0.055, low)]), fingerboard, height=190)
    for share in (0.08, 0.2, 0.32, 0.44, 0.56, 0.68, 0.8):
        y = neck_top + (low - neck_top) * share
        s.stroke([(-0.045, y), (0.045, y)], s.palette.metal, 0.010)
    head = rounded(
        [(-0.06, neck_top + 0.02), (-0.085, neck_top - 0.22), (0.085, neck_top - 0.22), (0.06, neck_top + 0.02)], 0.03
    )
    s.fill(head, s.palette.main if s.chance(0.5) else s.palette.wood, height=180)
    for y in (-0.05, -0.11, -0.17):
        for x in (-0.11, 0.11):
            s.fill(ellipse(x, neck_top + y, 0.025, steps=10), s.palette.metal, height=190)
    for x in (-0.022, 0.0, 0.022):
        s.stroke([(x, neck_top), (x * 1.6, 0.70)], (222, 220, 210), 0.007)


def ball(s: Sketch) -> None:
    """Football, basketball, volleyball, tennis ball or rugby ball; lit as a sphere."""
    if s.style == "rugby":
        s.cloth(
            spline(
                [(-0.94, 0), (-0.5, -0.46), (0, -0.56), (0.5, -0.46), (0.94, 0), (0.5, 0.46), (0, 0.56), (-0.5, 0.46)],
                steps=10,
            ),
            height=150,
        )
        s.seam(spline([(-0.94, 0), (0, -0.12), (0.94, 0)], closed=False, steps=10), 0.02)
        for x in np.linspace(-0.26, 0.26, 6):
            s.stroke([(x, -0.18), (x, -0.02)], s.palette.trim, 0.03, height=180)
        s.fill(box(-0.60, -0.42, -0.50, 0.42), s.palette.ink, height=150)
        s.fill(box(0.50, -0.42, 0.60, 0.42), s.palette.ink, height=150)
        _sphere(s, 0.86, 0.52)
        return
    s.cloth(ellipse(0, 0, _BALL, steps=56), height=150)
    turn = s.vary(0, 90)
    draw = {"football": _football, "basketball": _basketball, "volleyball": _volleyball, "tennis": _tennis}[s.style]
    draw(s, turn)
    _sphere(s, _BALL, _BALL)


def _football(s: Sketch, turn: float) -> None:
    dark = s.palette.ink
    pentagon = ellipse(0, 0, 0.27, start=turn, stop=turn + 360, steps=5)
    s.fill(pentagon, dark, height=146)
    for k in range(5):
        here, beside = turn + 72.0 * k, turn + 72.0 * (k + 1)
        s.stroke(rotated([(0.27, 0.0), (0.52, 0.0)], here), dark, 0.03)
        patch = [(0.60, 0.20), (0.79, 0.24), (0.82, 0.0), (0.79, -0.24), (0.60, -0.20), (0.52, 0.0)]
        s.fill(rotated(patch, here), dark, height=146)
        ends = rotated([(0.60, 0.20)], here), rotated([(0.60, -0.20)], beside)
        s.stroke(np.concatenate(ends), dark, 0.03)


def _basketball(s: Sketch, turn: float) -> None:
    line: Rgb = (40, 32, 30) if sum(s.palette.main) > 200 else (220, 216, 206)
    curves = [
        outline([(-0.82, 0), (0.82, 0)]),
        outline([(0, -0.82), (0, 0.82)]),
        ellipse(-1.02, 0, 0.62, 0.72, -62, 62),
        ellipse(1.02, 0, 0.62, 0.72, 118, 242),
    ]
    for curve in curves:
        s.stroke(rotated(_on_ball(curve), turn), line, 0.035, height=130)


def _volleyball(s: Sketch, turn: float) -> None:
    for k in range(3):
        angle = turn + 120 * k
        panel = spline([(0, 0), (0.30, -0.40), (0.20, -0.80), (0.52, -0.65), (0.66, -0.30), (0.40, -0.10)], steps=6)
        s.fill(rotated(panel, angle), s.palette.ink if s.chance(0.6) else s.palette.second_ink, height=146)
        for bend in (0.18, 0.40, 0.62):
            arc = spline([(0.02, -bend * 0.1), (bend * 0.8, -0.42), (bend * 0.9, -0.80 + bend * 0.3)], closed=False)
            s.stroke(rotated(arc, angle), s.palette.seam, 0.022)


def _tennis(s: Sketch, turn: float) -> None:
    for x, start, stop in ((-0.95, -58, 58), (0.95, 122, 238)):
        s.stroke(rotated(_on_ball(ellipse(x, 0, 0.72, 0.82, start, stop)), turn), s.palette.trim, 0.07)
    for _ in range(60):
        angle, far = s.vary(0, 6.28), s.vary(0.1, 0.78)
        x, y = far * np.cos(angle), far * np.sin(angle)
        s.shade([(x, y), (x + 0.04, y + 0.03)], 16, 0.02)


def _on_ball(curve: Outline) -> Outline:
    """Keep the points of a line that lie on the ball, short of its edge by half the line's width."""
    inside: Outline = curve[np.hypot(curve[:, 0], curve[:, 1]) < _BALL - 0.015]
    return inside


def _sphere(s: Sketch, rx: float, ry: float) -> None:
    s.shade(ellipse(-0.28 * rx, -0.34 * ry, 0.22 * rx, 0.18 * ry), 42)
    for inset, strength in ((0.93, -34), (0.80, -18), (0.68, -10)):
        s.shade(ellipse(0, 0, rx * inset, ry * inset, 10, 150), strength, 0.15)


def racket(s: Sketch) -> None:
    """Tennis, badminton or table-tennis racket."""
    grip: Rgb = (60, 56, 58) if s.chance(0.6) else s.palette.trim
    if s.style == "table-tennis":
        s.fill(rounded([(-0.10, 0.2), (0.10, 0.2), (0.13, 0.92), (-0.13, 0.92)], 0.05), s.palette.wood, height=130)
        s.fill(ellipse(0, -0.26, 0.63, 0.66), s.palette.wood, height=130)
        s.cloth(
            spline(
                [
                    (0, -0.90),
                    (0.42, -0.74),
                    (0.60, -0.30),
                    (0.46, 0.14),
                    (0.16, 0.28),
                    (-0.16, 0.28),
                    (-0.46, 0.14),
                    (-0.60, -0.30),
                    (-0.42, -0.74),
                ],
                steps=6,
            ),
            height=160,
        )
        s.shade([(-0.3, 0.0), (0.1, -0.6)], 20, 0.18)
        return
    thin = s.style == "badminton"
    rx, ry, cy = (0.36, 0.44, -0.50) if thin else (0.46, 0.56, -0.38)
    head = ellipse(0, cy, rx, ry, steps=48)
    for x in np.linspace(-rx, rx, 13)[1:-1]:
        reach = ry * float(np.sqrt(1 - (x / rx) ** 2))
        s.stroke([(x, cy - reach), (x, cy + reach)], (226, 226, 220), 0.012)
    for y in np.linspace(-ry, ry, 15)[1:-1]:
        reach = rx * float(np.sqrt(1 - (y / ry) ** 2))
        s.stroke([(-reach, cy + y), (reach, cy + y)], (226, 226, 220), 0.012)
    if thin:
        s.stroke([(0, cy + ry), (0, 0.56)], s.palette.metal, 0.035, height=130)
    else:
        for side in s.both_sides(spline([(rx * 0.62, cy + ry * 0.78), (0.20, 0.30), (0.05, 0.46)], closed=False)):
            s.stroke(side, s.palette.main, 0.075, height=150)
    s.stroke(np.concatenate([head, head[:2]]), s.palette.main, 0.055 if thin else 0.085, height=160)
    s.stroke([(0, 0.46), (0, 0.92)], grip, 0.10 if thin else 0.13, height=160)
    for y in np.linspace(0.50, 0.88, 6):
        s.shade([(-0.06, y + 0.03), (0.06, y)], -40, 0.02)


def bicycle(s: Sketch) -> None:
    """City bike with a basket, road bike with a drop bar, or a mountain bike with fat tyres."""
    radius, tyre = {"city": (0.40, 0.045), "road": (0.42, 0.032), "mountain": (0.38, 0.085)}[s.style]
    rear, front = (-0.54, 0.36), (0.54, 0.36)
    for hub in (rear, front):
        for angle in np.linspace(0, np.pi, 8)[:-1]:
            dx, dy = radius * np.cos(angle), radius * np.sin(angle)
            s.stroke([(hub[0] - dx, hub[1] - dy), (hub[0] + dx, hub[1] + dy)], (178, 180, 184), 0.008)
        wheel = ellipse(*hub, radius, steps=48)
        s.stroke(np.concatenate([wheel, wheel[:2]]), _RUBBER, tyre, height=120)
        rim = ellipse(*hub, radius - tyre * 0.6, steps=48)
        s.stroke(np.concatenate([rim, rim[:2]]), s.palette.metal, 0.016)
        s.fill(ellipse(*hub, 0.04, steps=14), s.palette.metal, height=150)
    crank: Point = (-0.08, 0.38)
    seat: Point = (-0.24, -0.26)
    head: Point = (0.36, -0.26)
    tube = s.vary(0.050, 0.066)
    drop = 0.22 if s.style == "city" else 0.0
    frame = [
        (rear, crank),
        (rear, seat),
        (seat, crank),
        ((head[0] + 0.02, head[1] + 0.06), crank),
        ((seat[0] + 0.03, seat[1] + 0.06 + drop), (head[0], head[1] + 0.04)),
        (head, front),
    ]
    for start, end in frame:
        s.stroke([start, end], s.palette.main, tube if end != front else tube * 0.9, height=160)
    s.stroke([seat, (seat[0] - 0.05, seat[1] - 0.16)], s.palette.metal, 0.03, height=150)
    s.fill(
        rounded(
            [
                (seat[0] - 0.24, seat[1] - 0.22),
                (seat[0] + 0.14, seat[1] - 0.18),
                (seat[0] + 0.12, seat[1] - 0.14),
                (seat[0] - 0.16, seat[1] - 0.12),
            ],
            0.03,
        ),
        _RUBBER if s.style != "city" else s.palette.wood,
        height=180,
    )
    s.stroke([head, (head[0] - 0.06, head[1] - 0.18)], s.palette.metal, 0.034, height=150)
    bar: Point = (head[0] - 0.06, head[1] - 0.18)
    if s.style == "road":
        s.stroke(
            spline(
                [bar, (bar[0] + 0.14, bar[1] - 0.01), (bar[0] + 0.22, bar[1] + 0.09), (bar[0] + 0.12, bar[1] + 0.17)],
                closed=False,
            ),
            _RUBBER,
            0.04,
            height=170,
        )
    else:
        s.stroke(
            spline([(bar[0] + 0.05, bar[1]), bar, (bar[0] - 0.18, bar[1] - 0.06)], closed=False),
            s.palette.metal,
            0.036,
            height=160,
        )
        s.stroke([(bar[0] - 0.20, bar[1] - 0.06), (bar[0] - 0.12, bar[1] - 0.04)], _RUBBER, 0.055, height=180)
    if s.style == "city":
        s.fill(rounded([(0.42, -0.40), (0.80, -0.40), (0.74, -0.12), (0.46, -0.12)], 0.03), s.palette.wood, height=140)
        for y in (-0.33, -0.26, -0.19):
            s.stroke([(0.43, y), (0.79, y)], mix(s.palette.wood, (50, 30, 20), 0.4), 0.014)
    s.fill(ellipse(*crank, 0.10, steps=22), s.palette.metal, height=150)
    s.fill(ellipse(*crank, 0.06, steps=18), _RUBBER, height=140)
    s.stroke(
        [(crank[0] - 0.05, crank[1] - 0.14), (crank[0] + 0.05, crank[1] + 0.14)], s.palette.metal, 0.028, height=170
    )
    for y in (-0.15, 0.15):
        s.stroke(
            [(crank[0] + y / 3 - 0.06, crank[1] + y), (crank[0] + y / 3 + 0.06, crank[1] + y)],
            _RUBBER,
            0.036,
            height=170,
        )


def skateboard(s: Sketch) -> None:
    """The printed underside: trucks, wheels, and a street, cruiser or longboard deck."""
    half, length = {"street": (0.25, 0.95), "cruiser": (0.28, 0.80), "longboard": (0.22, 0.98)}[s.style]
    half += s.vary(-0.015, 0.015)
    axle = length * (0.56 if s.style == "street" else 0.64)
    for y in (-axle, axle):
        for side in s.both_sides(box(half - 0.09, y - 0.075, half + 0.07, y + 0.075, 0.04)):
            s.fill(side, s.palette.trim, height=80)
    nose = 0.5 if s.style == "longboard" else 0.92
    deck = mirrored(
        [
            (0, -length),
            (half * nose, -length),
            (half, -length * 0.62),
            (half, length * 0.62),
            (half * 0.92, length),
            (0, length),
        ]
    )
    s.fill(moved(rounded(deck, 0.22, steps=8), 0.012, 0.018), s.palette.wood, height=110)
    s.cloth(rounded(deck, 0.22, steps=8), height=140)
    if s.chance(0.6):
        bolt = [(0.10, -0.34), (-0.14, 0.06), (0.0, 0.06), (-0.10, 0.36), (0.15, -0.08), (0.01, -0.08)]
        badge = bolt if s.chance(0.5) else ellipse(0, 0, half * 0.6)
        s.fill(badge, s.palette.ink, height=141)
    for y in (-axle, axle):
        s.fill(box(-0.10, y - 0.15, 0.10, y + 0.15, 0.03), s.palette.metal, height=170)
        s.stroke([(-half, y), (half, y)], s.palette.metal, 0.07, height=200)
        for x in (-0.065, 0.065):
            for dy in (-0.11, 0.11):
                s.fill(ellipse(x, y + dy, 0.018, steps=8), s.palette.dark, height=180)
        for side in s.both_sides(box(half - 0.07, y - 0.08, half + 0.06, y + 0.08, 0.05)):
            s.fill(side, s.palette.trim, height=215)


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
