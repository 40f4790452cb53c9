"""The photographer: takes a sketch, puts it into a scene, lights it and exposes a JPEG."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from ruiji_demo.catalogue.drawing import backgrounds, light, patterns, raster
from ruiji_demo.catalogue.drawing.geometry import Outline, rotated
from ruiji_demo.catalogue.drawing.patterns import Pattern
from ruiji_demo.catalogue.drawing.sketch import Fill, Glow, Part, Pose, Sketch, Stroke
from ruiji_demo.catalogue.drawing.view import View, make_view

PICTURE_PX = 320
"""Side of the pictures."""

JPEG_QUALITY = 85

_SUPERSAMPLING = 2
"""Shapes are drawn this much larger and averaged down: Pillow's polygons have hard edges."""

_CANVAS_PX = PICTURE_PX * _SUPERSAMPLING

_LIGHT_PX = 128
"""Side of height and light maps: light is softer than ink."""

_SHINE = {Pattern.GLOSSY: 0.9, Pattern.METALLIC: 1.0, Pattern.MATTE: 0.12, Pattern.WOODEN: 0.3}
"""How much finishes shine; cloth does not."""

_TURN_DEGREES = {Pose.STANDING: 1.8, Pose.HANGING: 1.2, Pose.LYING: 9.0}
"""Standard deviation of a product's turn in the picture plane."""


@dataclass(frozen=True, slots=True)
class _Maps:
    """What is known about each pixel before colour: coverage, height, drawn light."""

    alpha: Image.Image
    height: Image.Image
    glow: Image.Image


def photograph(sketch: Sketch, pose: Pose, rng: np.random.Generator) -> bytes:
    """Render a product as a seller's photograph.

    Returns:
        A JPEG file of PICTURE_PX x PICTURE_PX.
    """
    solid = np.concatenate([part.outline for part in sketch.parts if not isinstance(part, Glow)])
    view = _choose_view(solid, pose, rng)
    lamp = light.make_lamp(rng)
    outlines = view.project_all([part.outline for part in sketch.parts], _CANVAS_PX)
    shot = list(zip(sketch.parts, outlines, strict=True))
    maps = _map(shot, view.unit)
    feet = float(view.project_all([solid])[0][:, 1].max())
    scene = backgrounds.paint(pose, rng, PICTURE_PX, feet)
    # Doubled pixels average back to the scene exactly, so nothing smoother is needed here.
    canvas = scene.resize((_CANVAS_PX, _CANVAS_PX), Image.Resampling.NEAREST)
    _colour(canvas, shot, sketch, view)
    shading = light.combine([light.relief(maps.height, lamp, shine=_SHINE.get(sketch.look.pattern, 0.0)), maps.glow])
    ambient = light.cast_shadow(maps.alpha, lamp, rng, standing=pose is Pose.STANDING)
    ambient.paste(shading.resize(ambient.size, Image.Resampling.BILINEAR), mask=maps.alpha)
    picture = light.expose(canvas.reduce(_SUPERSAMPLING), ambient, lamp, exposure=float(rng.normal(1.0, 0.03)))
    return _jpeg(picture)


def _choose_view(solid: Outline, pose: Pose, rng: np.random.Generator) -> View:
    """Step back until the product fills most of the frame."""
    turn = float(np.clip(rng.normal(0.0, _TURN_DEGREES[pose]), -26, 26))
    turned = rotated(solid, turn)
    low, high = turned.min(axis=0), turned.max(axis=0)
    focus_x, focus_y = rotated([tuple((low + high) / 2)], -turn)[0].tolist()
    half = float((high - low).max()) / 2
    lying = pose is Pose.LYING
    return make_view(
        turn_degrees=turn,
        size=float(rng.uniform(0.355, 0.445)) / half,
        focus=(focus_x, focus_y),
        centre=(float(rng.normal(0.5, 0.014)), float(rng.normal(0.5 if lying else 0.51, 0.014))),
        tilt=(float(rng.normal(0.0, 0.05)), float(rng.normal(0.0, 0.06 if lying else 0.03))),
        mirrored=bool(rng.random() < 0.5),
    )


def _map(shot: list[tuple[Part, Outline]], unit: float) -> _Maps:
    alpha = Image.new("L", (_CANVAS_PX, _CANVAS_PX), 0)
    height = Image.new("L", (_LIGHT_PX, _LIGHT_PX), 0)
    folds = Image.new("L", (_LIGHT_PX, _LIGHT_PX), light.NEUTRAL)
    blooms = folds.copy()
    to_alpha, to_height, to_folds, to_blooms = (ImageDraw.Draw(image) for image in (alpha, height, folds, blooms))
    for part, pixels in shot:
        small = pixels * (_LIGHT_PX / _CANVAS_PX)
        match part:
            case Fill():
                raster.fill(to_alpha, pixels, 255)
                raster.fill(to_height, small, part.height)
            case Stroke():
                raster.stroke(to_alpha, pixels, 255, part.width * unit * _CANVAS_PX)
                if part.height is not None:
                    raster.stroke(to_height, small, part.height, part.width * unit * _LIGHT_PX)
            case Glow():
                level = light.NEUTRAL + part.strength
                if part.width is None:
                    raster.fill(to_blooms, small, level)
                else:
                    to_light = to_folds if part.width < light.FOLD_WIDTH else to_blooms
                    raster.stroke(to_light, small, level, part.width * unit * _LIGHT_PX)
    glow = light.combine([folds.filter(light.FOLD_BLUR), blooms.filter(light.BLOOM_BLUR)])
    return _Maps(alpha.reduce(_SUPERSAMPLING), height, glow)


def _colour(canvas: Image.Image, shot: list[tuple[Part, Outline]], sketch: Sketch, view: View) -> None:
    # The print belongs to the product, not to the photograph: it draws from the sketch's own randomness.
    texture = patterns.paint(sketch.look.pattern, sketch.palette, sketch.rng, view, _CANVAS_PX, _cloth_area(sketch))
    draw = ImageDraw.Draw(canvas)
    for part, pixels in shot:
        match part:
            case Fill(textured=True) if texture is not None:
                _paste(canvas, texture, pixels)
            case Fill():
                raster.fill(draw, pixels, part.rgb)
            case Stroke():
                raster.stroke(draw, pixels, part.rgb, part.width * view.unit * _CANVAS_PX)
            case Glow():
                pass


def _cloth_area(sketch: Sketch) -> patterns.Area:
    cloth = [part.outline for part in sketch.parts if isinstance(part, Fill) and part.textured]
    points = np.concatenate(cloth) if cloth else np.zeros((1, 2))
    left, top = points.min(axis=0).tolist()
    right, bottom = points.max(axis=0).tolist()
    return patterns.Area(left, top, right, bottom)


def _paste(canvas: Image.Image, texture: Image.Image, pixels: Outline) -> None:
    """Fill an outline with the texture; works in the outline's bounding box only."""
    left, top = np.maximum(np.floor(pixels.min(axis=0)).astype(int), 0).tolist()
    right, bottom = np.minimum(np.ceil(pixels.max(axis=0)).astype(int) + 1, canvas.width).tolist()
    if right <= left or bottom <= top:
        return
    mask = Image.new("L", (right - left, bottom - top), 0)
    raster.fill(ImageDraw.Draw(mask), pixels - (left, top), 255)
    canvas.paste(texture.crop((left, top, right, bottom)), (left, top), mask)


def _jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=JPEG_QUALITY)
    return file.getvalue()
