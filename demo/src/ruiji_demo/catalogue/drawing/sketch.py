"""What a category draws: a list of parts, from the back to the front, in product coordinates."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from ruiji_demo.catalogue.colours import Palette, Rgb
from ruiji_demo.catalogue.drawing.geometry import Outline, Points, flipped, outline

if TYPE_CHECKING:
    from ruiji_demo.catalogue.drawing.patterns import Pattern


class Pose(StrEnum):
    """How a seller photographs it."""

    STANDING = "standing"
    """On a table or floor: upright, contact shadow below."""
    HANGING = "hanging"
    """On a wall or from the ceiling: upright, soft shadow around."""
    LYING = "lying"
    """Seen from above: any turn of some degrees, soft shadow around."""


@dataclass(frozen=True, slots=True)
class Fill:
    """A filled outline."""

    outline: Outline
    rgb: Rgb
    textured: bool
    """Show the item's pattern instead of the plain colour."""
    height: int
    """Relief, 0 to 255; edges between heights catch light."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line of constant width with round joints."""

    outline: Outline
    """From end to end; not closed."""
    rgb: Rgb
    width: float
    """In product coordinates."""
    height: int | None
    """None: a drawn line without relief."""


@dataclass(frozen=True, slots=True)
class Glow:
    """Light or shade that is not relief: folds, reflections, the inside of a vessel. Blurred by the renderer."""

    outline: Outline
    strength: int
    """-127 (black) to 127 (white)."""
    width: float | None
    """Width of the line; None fills the outline."""


Part = Fill | Stroke | Glow


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of an item before it is drawn."""

    style: str
    """Key of the leaf's style variant."""
    pattern: Pattern
    palette: Palette


@dataclass(slots=True)
class Sketch:
    """Collects the parts of one product.

    Shape parameters come from `rng`, so that no two items of a style are the same.
    """

    look: Look
    rng: np.random.Generator
    parts: list[Part] = field(default_factory=list)

    @property
    def style(self) -> str:
        """Key of the style variant to draw."""
        return self.look.style

    @property
    def palette(self) -> Palette:
        """Colours of the item."""
        return self.look.palette

    def vary(self, low: float, high: float) -> float:
        """Draw a shape parameter, uniform in [low, high)."""
        return float(self.rng.uniform(low, high))

    def chance(self, share: float) -> bool:
        """Return True for this share of the items."""
        return bool(self.rng.random() < share)

    def pick(self, *choices: str) -> str:
        """Draw one of the choices."""
        return choices[int(self.rng.integers(len(choices)))]

    def cloth(self, points: Points, height: int = 120) -> None:
        """Fill with the item's own surface: main colour and pattern."""
        self.parts.append(Fill(outline(points), self.palette.main, textured=True, height=height))

    def fill(self, points: Points, rgb: Rgb, height: int = 120) -> None:
        """Fill with one colour."""
        self.parts.append(Fill(outline(points), rgb, textured=False, height=height))

    def stroke(self, points: Points, rgb: Rgb, width: float, height: int | None = None) -> None:
        """Draw a line; with a height it is a tube, without one it is printed or sewn."""
        self.parts.append(Stroke(outline(points), rgb, width, height))

    def seam(self, points: Points, width: float = 0.012) -> None:
        """Draw a fine line in the shade of the main colour."""
        self.stroke(points, self.palette.seam, width)

    def shade(self, points: Points, strength: int, width: float | None = None) -> None:
        """Add light (positive) or shadow (negative)."""
        self.parts.append(Glow(outline(points), strength, width))

    def both_sides(self, points: Points) -> tuple[Outline, Outline]:
        """Return the outline and its mirror image."""
        return outline(points), flipped(points)
