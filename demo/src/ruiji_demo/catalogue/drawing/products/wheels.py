"""Bicycles from the side, skateboards from below."""

from __future__ import annotations

import numpy as np

from ruiji_demo.catalogue.colours import Rgb, mix
from ruiji_demo.catalogue.drawing.geometry import (
    Point,
    box,
    ellipse,
    mirrored,
    moved,
    rounded,
    spline,
)
from ruiji_demo.catalogue.drawing.sketch import Sketch

_RUBBER: Rgb = (44, 44, 48)


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
