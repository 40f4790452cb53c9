"""One item of the demo catalogue, made from nothing but a seed and its index."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ruiji_demo.catalogue.colours import palette_of
from ruiji_demo.catalogue.drawing.render import photograph
from ruiji_demo.catalogue.drawing.sketch import Look, Sketch
from ruiji_demo.catalogue.prices import CURRENCY, draw_price_minor
from ruiji_demo.catalogue.taxonomy import LEAVES
from ruiji_demo.catalogue.titles import make_titles

SOLD_SHARE = 0.03
"""Share of the items that are sold already."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What an item was drawn from; the truth that similarity can be judged by."""

    colour: str
    """English name of the main colour."""
    pattern: str
    """English name of print or finish."""
    style: str
    """English name of the shape variant."""


@dataclass(frozen=True, slots=True)
class DemoItem:
    """A listing with its photograph."""

    item_id: str
    title_en: str
    title_ja: str
    category_path: tuple[str, ...]
    """From the root to the leaf, three names."""
    price_minor: int
    """In minor units of the currency; for yen, yen."""
    currency: str
    """ISO 4217."""
    sold: bool
    attributes: Attributes
    picture: bytes
    """A JPEG file."""


def item_id_of(index: int) -> str:
    """Return the id of the item at this index, such as `demo-000123`."""
    return f"demo-{index:06d}"


def render_item(seed: int, index: int) -> DemoItem:
    """Make one item.

    The same seed and index give the same item, whatever else is rendered, in any order and in any process; the same
    Pillow and numpy give the same picture bytes.

    Args:
        seed: names the catalogue, 0 or more.
        index: names the item in it, 0 or more.
    """
    listing, shape, camera = (
        np.random.Generator(np.random.PCG64(stream)) for stream in np.random.SeedSequence((seed, index)).spawn(3)
    )
    leaf = LEAVES[int(listing.integers(len(LEAVES)))]
    style = tuple(leaf.styles)[int(listing.integers(len(leaf.styles)))]
    colour = leaf.colours[int(listing.integers(len(leaf.colours)))]
    pattern = leaf.patterns[int(listing.integers(len(leaf.patterns)))]
    title_en, title_ja = make_titles(leaf, style, colour, pattern, listing)
    price_minor = draw_price_minor(leaf, listing)
    sold = bool(listing.random() < SOLD_SHARE)
    sketch = Sketch(Look(style, pattern, palette_of(colour, shape)), shape)
    leaf.draw(sketch)
    return DemoItem(
        item_id=item_id_of(index),
        title_en=title_en,
        title_ja=title_ja,
        category_path=leaf.path,
        price_minor=price_minor,
        currency=CURRENCY,
        sold=sold,
        attributes=Attributes(colour.english, pattern.english, style),
        picture=photograph(sketch, leaf.pose, camera),
    )
