"""One item of the demo catalogue, made from nothing but a seed and its index."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ruiji_demo.catalogue.colours import Colour, palette_of
from ruiji_demo.catalogue.drawing.patterns import Pattern
from ruiji_demo.catalogue.drawing.render import photograph
from ruiji_demo.catalogue.drawing.sketch import Look, Sketch
from ruiji_demo.catalogue.prices import CURRENCY, draw_price_minor
from ruiji_demo.catalogue.taxonomy import LEAVES, Leaf
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
class Listing:
    """What a seller writes."""

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


@dataclass(frozen=True, slots=True)
class DemoItem(Listing):
    """A listing with its photograph."""

    picture: bytes
    """A JPEG file."""


def item_id_of(index: int) -> str:
    """Return the id of the item at this index, such as `demo-000123`."""
    return f"demo-{index:06d}"


def describe_item(seed: int, index: int) -> Listing:
    """Make one item's listing without its photograph, in a fraction of the time."""
    writer, _, _ = _streams(seed, index)
    return _describe(_invent(writer), index, writer)


def render_item(seed: int, index: int) -> DemoItem:
    """Make one item.

    The same seed and index give the same item, whatever else is rendered, in any order and in any process; the same
    Pillow and numpy give the same picture bytes.

    Args:
        seed: names the catalogue, 0 or more.
        index: names the item in it, 0 or more.
    """
    writer, maker, photographer = _streams(seed, index)
    product = _invent(writer)
    listing = _describe(product, index, writer)
    sketch = Sketch(Look(product.style, product.pattern, palette_of(product.colour, maker)), maker)
    product.leaf.draw(sketch)
    picture = photograph(sketch, product.leaf.pose, photographer)
    return DemoItem(**{field.name: getattr(listing, field.name) for field in fields(Listing)}, picture=picture)


@dataclass(frozen=True, slots=True)
class _Product:
    leaf: Leaf
    style: str
    colour: Colour
    pattern: Pattern


def _streams(seed: int, index: int) -> tuple[np.random.Generator, np.random.Generator, np.random.Generator]:
    """Return independent randomness for the words, the product and its photograph, so that one can change alone."""
    words, product, photo = np.random.SeedSequence((seed, index)).spawn(3)
    return np.random.default_rng(words), np.random.default_rng(product), np.random.default_rng(photo)


def _invent(rng: np.random.Generator) -> _Product:
    leaf = LEAVES[int(rng.integers(len(LEAVES)))]
    return _Product(
        leaf=leaf,
        style=tuple(leaf.styles)[int(rng.integers(len(leaf.styles)))],
        colour=leaf.colours[int(rng.integers(len(leaf.colours)))],
        pattern=leaf.patterns[int(rng.integers(len(leaf.patterns)))],
    )


def _describe(product: _Product, index: int, rng: np.random.Generator) -> Listing:
    title_en, title_ja = make_titles(product.leaf, product.style, product.colour, product.pattern, rng)
    return Listing(
        item_id=item_id_of(index),
        title_en=title_en,
        title_ja=title_ja,
        category_path=product.leaf.path,
        price_minor=draw_price_minor(product.leaf, rng),
        currency=CURRENCY,
        sold=bool(rng.random() < SOLD_SHARE),
        attributes=Attributes(product.colour.english, product.pattern.english, product.style),
    )
