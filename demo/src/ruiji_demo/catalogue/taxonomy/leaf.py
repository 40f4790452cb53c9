"""What is known of a leaf category: words, styles, surfaces, prices, how it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ruiji_demo.catalogue.colours import Colour
from ruiji_demo.catalogue.drawing.patterns import Pattern
from ruiji_demo.catalogue.drawing.sketch import Pose, Sketch

Draw: TypeAlias = Callable[[Sketch], None]

CLOTH = (
    Pattern.PLAIN,
    Pattern.STRIPED,
    Pattern.PINSTRIPED,
    Pattern.CHECKED,
    Pattern.DOTTED,
    Pattern.FLORAL,
    Pattern.ZIGZAG,
    Pattern.CAMOUFLAGE,
)
"""Prints of anything sewn."""
LEATHER = (Pattern.PLAIN, Pattern.GLOSSY, Pattern.CHECKED, Pattern.FLORAL, Pattern.DOTTED)
"""Surfaces of bags and dress shoes."""
CERAMIC = (Pattern.GLOSSY, Pattern.MATTE, Pattern.STRIPED, Pattern.DOTTED, Pattern.FLORAL, Pattern.ZIGZAG)
"""Glazes, and what is painted on them."""
SHELL = (Pattern.MATTE, Pattern.GLOSSY, Pattern.METALLIC)
"""Finishes of plastic and metal."""
TIMBER = (Pattern.WOODEN, Pattern.MATTE, Pattern.GLOSSY)
"""Finishes of furniture and instruments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A category that items are listed in."""

    path: tuple[str, str, str]
    """From the root to the leaf, in English."""
    nouns: tuple[str, ...]
    """English words for one such thing; a title uses one of them."""
    nouns_ja: tuple[str, ...]
    """Japanese words for it."""
    styles: Mapping[str, str]
    """Shape variants, English word to Japanese word; `draw` branches on the English one."""
    patterns: tuple[Pattern, ...]
    """Surfaces that occur."""
    median_price_minor: int
    """Median of the log-normal price, yen."""
    price_sigma: float
    """Standard deviation of the price's natural logarithm."""
    pose: Pose
    """How it is photographed."""
    draw: Draw
    """Adds the parts of one such product to a sketch."""
    colours: tuple[Colour, ...] = tuple(Colour)
    """Colours that occur."""
    sized: bool = False
    """Whether titles name a clothing size."""
