"""Sketches and photographs: every style of every leaf can be drawn, and shows what its title says."""

from __future__ import annotations

import io
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from ruiji_demo.catalogue.colours import Colour, palette_of
from ruiji_demo.catalogue.drawing.geometry import box, ellipse, mirrored, outline, rotated, rounded, spline
from ruiji_demo.catalogue.drawing.patterns import Pattern
from ruiji_demo.catalogue.drawing.render import photograph
from ruiji_demo.catalogue.drawing.sketch import Glow, Look, Pose, Sketch
from ruiji_demo.catalogue.drawing.view import make_view
from ruiji_demo.catalogue.taxonomy import LEAVES, Leaf

CUSHION = next(leaf for leaf in LEAVES if leaf.path[-1] == "Cushions")


def sketch(leaf: Leaf, style: str, colour: Colour, pattern: Pattern, seed: int = 0) -> Sketch:
    rng = np.random.default_rng(seed)
    drawn = Sketch(Look(style, pattern, palette_of(colour, rng)), rng)
    leaf.draw(drawn)
    return drawn


def pixels(drawn: Sketch, pose: Pose, seed: int = 0) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(photograph(drawn, pose, np.random.default_rng(seed)))))


@pytest.mark.parametrize(
    ("leaf", "style"),
    [(leaf, style) for leaf in LEAVES for style in leaf.styles],
    ids=lambda value: value.path[-1] if isinstance(value, Leaf) else value,
)
def test_every_style_can_be_drawn_and_shows_its_surface(leaf: Leaf, style: str) -> None:
    for seed in range(3):
        drawn = sketch(leaf, style, Colour.RED, leaf.patterns[-1], seed)
        solid = np.concatenate([part.outline for part in drawn.parts if not isinstance(part, Glow)])
        assert np.isfinite(solid).all()
        assert np.abs(solid).max() < 1.15, "a product stays in its coordinates"
        assert np.ptp(solid, axis=0).max() > 1.0, "a product fills its coordinates"
        mains = [part for part in drawn.parts if not isinstance(part, Glow) and part.rgb == drawn.palette.main]
        assert mains, "the colour in the title is seen"


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.path[-1])
def test_styles_of_a_leaf_are_different_shapes(leaf: Leaf) -> None:
    drawn = {style: sketch(leaf, style, Colour.RED, leaf.patterns[0]) for style in leaf.styles}
    points = {style: np.concatenate([part.outline for part in drawn[style].parts]) for style in leaf.styles}
    for one, other in combinations(leaf.styles, 2):
        assert points[one].shape != points[other].shape or not np.allclose(points[one], points[other])


@pytest.mark.parametrize("colour", Colour)
def test_a_plain_product_shows_the_named_colour(colour: Colour) -> None:
    shots = [
        pixels(sketch(CUSHION, "round", colour, Pattern.PLAIN, seed), CUSHION.pose, seed)[180:230, 180:230]
        for seed in range(6)
    ]
    seen = np.median(np.concatenate([shot.reshape(-1, 3) for shot in shots]), axis=0)
    nearest = min(Colour, key=lambda candidate: float(np.linalg.norm(seen - candidate.rgb)))
    assert nearest is colour


@pytest.mark.parametrize("pattern", CUSHION.patterns[1:])
def test_a_pattern_stands_out_from_plain_cloth(pattern: Pattern) -> None:
    centre = slice(90, 230)
    printed = pixels(sketch(CUSHION, "square", Colour.BLUE, pattern), CUSHION.pose)[centre, centre]
    plain = pixels(sketch(CUSHION, "square", Colour.BLUE, Pattern.PLAIN), CUSHION.pose)[centre, centre]
    assert printed.std(axis=(0, 1)).max() > 2 * plain.std(axis=(0, 1)).max()


@pytest.mark.parametrize("pose", Pose)
def test_the_product_stays_in_the_frame_in_every_pose(pose: Pose) -> None:
    white = [pixels(sketch(CUSHION, "round", Colour.RED, Pattern.PLAIN), pose, seed) for seed in range(8)]
    for shot in white:
        border = np.concatenate([shot[:4].reshape(-1, 3), shot[-4:].reshape(-1, 3)]).astype(int)
        assert (border[:, 0] - border[:, 2]).max() < 120, "red reaches the frame's edge"


def test_a_camera_without_tilt_turns_and_scales() -> None:
    view = make_view(turn_degrees=90, size=0.25, focus=(0.0, 0.0), centre=(0.5, 0.5), tilt=(0.0, 0.0), mirrored=False)
    [seen] = view.project_all([outline([(1.0, 0.0), (0.0, 1.0)])], 100)
    assert seen == pytest.approx(np.array([(50.0, 75.0), (25.0, 50.0)]))


def test_many_outlines_are_projected_like_each_alone() -> None:
    view = make_view(turn_degrees=12, size=0.4, focus=(0.1, -0.2), centre=(0.5, 0.6), tilt=(0.1, 0.05), mirrored=True)
    outlines = [box(-1, -1, 1, 1), ellipse(0, 0, 0.5), spline([(0, 0), (1, 0), (1, 1)])]
    together = view.project_all(outlines, 64)
    for shape, projected in zip(outlines, together, strict=True):
        assert projected == pytest.approx(view.project_all([shape], 64)[0])


def test_a_spline_passes_through_its_points() -> None:
    knots = outline([(0, 0), (1, 0.5), (0.5, 1), (-0.5, 0.5)])
    assert spline(knots, steps=6)[::6] == pytest.approx(knots)
    opened = spline(knots, closed=False)
    assert opened[0] == pytest.approx(knots[0])
    assert opened[-1] == pytest.approx(knots[-1])


def test_rounding_cuts_corners_and_nothing_else() -> None:
    square = box(-1, -1, 1, 1)
    smooth = rounded(square, 0.2)
    assert np.abs(smooth).max() == pytest.approx(1.0)
    assert np.hypot(smooth[:, 0], smooth[:, 1]).max() < np.hypot(1, 1) - 0.05


def test_mirroring_is_symmetric() -> None:
    shape = mirrored([(0, -1), (1, 0), (0, 1)])
    assert sorted(map(tuple, shape)) == sorted(map(tuple, shape * (-1, 1)))


def test_four_quarter_turns_are_none() -> None:
    shape = box(0, 0, 1, 2)
    turned = shape
    for _ in range(4):
        turned = rotated(turned, 90, about=(0.3, 0.4))
    assert turned == pytest.approx(shape)
