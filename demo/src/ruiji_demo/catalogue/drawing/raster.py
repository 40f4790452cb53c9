"""Outlines to pixels: thin helpers over Pillow's drawing."""

from __future__ import annotations

from typing import TypeAlias

from PIL import ImageDraw

from ruiji_demo.catalogue.drawing.geometry import Outline

Ink: TypeAlias = tuple[int, int, int] | int


def fill(draw: ImageDraw.ImageDraw, pixels: Outline, ink: Ink) -> None:
    """Fill an outline."""
    draw.polygon(pixels.ravel().tolist(), fill=ink)


def stroke(draw: ImageDraw.ImageDraw, pixels: Outline, ink: Ink, width_px: float) -> None:
    """Draw a line with round joints and round ends."""
    width = max(1, round(width_px))
    draw.line(pixels.ravel().tolist(), fill=ink, width=width, joint="curve" if width > 6 and len(pixels) > 2 else None)
    if width > 3:
        radius = width_px / 2
        for x, y in (pixels[0], pixels[-1]):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)
