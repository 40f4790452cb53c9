"""The category tree of the demo: four roots, three levels, one module for each part of it."""

from ruiji_demo.catalogue.taxonomy import accessories, bags_and_shoes, clothes, electronics, home, leisure
from ruiji_demo.catalogue.taxonomy.leaf import Leaf

LEAVES: tuple[Leaf, ...] = (
    *clothes.LEAVES,
    *bags_and_shoes.LEAVES,
    *accessories.LEAVES,
    *home.LEAVES,
    *electronics.LEAVES,
    *leisure.LEAVES,
)
"""All leaves. Items are spread over them evenly."""

__all__ = ["LEAVES", "Leaf"]
