"""Outlines in product coordinates.

A product fills about [-1, 1] x [-1, 1], x to the right and y downwards. An outline is an array of points, shape (n, 2),
float64, that a closing edge from last to first completes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Outline: TypeAlias = NDArray[np.float64]
Point: TypeAlias = tuple[float, float]
Points: TypeAlias = Sequence[Point] | Outline


def outline(points: Points) -> Outline:
    """Return the points as an array, shape (n, 2), float64."""
    return np.asarray(points, dtype=np.float64).reshape(-1, 2)


def mirrored(right_half: Points, axis_x: float = 0.0) -> Outline:
    """Close a symmetric outline.

    Args:
        right_half: its points from the top of the axis down the right side to the bottom of the axis.
        axis_x: where the vertical axis stands.
    """
    right = outline(right_half)
    left = right[::-1] * (-1.0, 1.0) + (2.0 * axis_x, 0.0)
    return np.concatenate([right, left])


def box(left: float, top: float, right: float, bottom: float, radius: float = 0.0) -> Outline:
    """Return a rectangle, its corners rounded if a radius is given."""
    corners = outline([(left, top), (right, top), (right, bottom), (left, bottom)])
    return rounded(corners, radius) if radius > 0 else corners


def rounded(points: Points, radius: float | Sequence[float], steps: int = 5) -> Outline:
    """Round every corner by a quadratic Bezier curve.

    Args:
        points: the corners.
        radius: distance from the corner at which the curve leaves the edge, for all or for each; halved edges limit it.
        steps: points per corner.
    """
    corner = outline(points)
    before, after = np.roll(corner, 1, axis=0) - corner, np.roll(corner, -1, axis=0) - corner
    reach = np.broadcast_to(np.asarray(radius, dtype=np.float64), (len(corner),))[:, None]
    length_before = np.hypot(before[:, :1], before[:, 1:]) + 1e-9
    length_after = np.hypot(after[:, :1], after[:, 1:]) + 1e-9
    start = corner + before * np.minimum(reach / length_before, 0.5)
    end = corner + after * np.minimum(reach / length_after, 0.5)
    t = np.linspace(0.0, 1.0, steps)[None, :, None]
    curve = (1 - t) ** 2 * start[:, None] + 2 * t * (1 - t) * corner[:, None] + t**2 * end[:, None]
    flat: Outline = curve.reshape(-1, 2)
    return flat


def spline(points: Points, *, closed: bool = True, steps: int = 6) -> Outline:
    """Return the Catmull-Rom curve through the points, `steps` points for each."""
    knots = outline(points)
    if closed:
        ring = np.concatenate([knots[-1:], knots, knots[:2]])
    else:
        ring = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    p0, p1, p2, p3 = (ring[i : len(ring) - 3 + i, None] for i in range(4))
    t = np.linspace(0.0, 1.0, steps, endpoint=False)[None, :, None]
    curve = 0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)
    flat: Outline = curve.reshape(-1, 2)
    return flat if closed else np.concatenate([flat, knots[-1:]])


def ellipse(
    x: float, y: float, rx: float, ry: float | None = None, start: float = 0.0, stop: float = 360.0, steps: int = 36
) -> Outline:
    """Return an ellipse or an arc of it; degrees grow clockwise from the right. An arc as an outline is a segment."""
    angle = np.radians(np.linspace(start, stop, steps, endpoint=stop - start < 360.0))
    return np.stack([x + rx * np.cos(angle), y + (rx if ry is None else ry) * np.sin(angle)], axis=1)


def ring(outer: Outline, inner: Outline) -> Outline:
    """Cut a hole: one outline that walks the outer and then, across a bridge without width, the inner one."""
    return np.concatenate([outer, outer[:1], inner, inner[:1]])


def rotated(points: Points, degrees: float, about: Point = (0.0, 0.0)) -> Outline:
    """Turn clockwise about a point."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    centre = np.asarray(about)
    turned: Outline = (outline(points) - centre) @ turn + centre
    return turned


def moved(points: Points, dx: float = 0.0, dy: float = 0.0, scale: float = 1.0) -> Outline:
    """Scale about the origin, then shift."""
    shifted: Outline = outline(points) * scale + np.array([dx, dy])
    return shifted


def flipped(points: Points) -> Outline:
    """Mirror at the vertical axis x = 0."""
    return outline(points) * (-1.0, 1.0)


def between(a: Point, b: Point, share: float) -> Point:
    """Return the point that divides the way from a to b."""
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share)
