"""Titles as sellers write them, in English and Japanese.

Every title names colour, pattern and category, since an encoder is trained on the pair of picture and title; brand,
size and condition are the noise that real listings carry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ruiji_demo.catalogue.colours import Colour
    from ruiji_demo.catalogue.drawing.patterns import Pattern
    from ruiji_demo.catalogue.taxonomy import Leaf

_ONSETS = ("k", "m", "n", "v", "l", "t", "br", "s", "h", "r", "f", "z", "d", "p", "gl", "tr")
_VOWELS = ("a", "e", "i", "o", "u", "ae", "io")
_CODAS = ("", "", "n", "r", "l", "x", "ve", "ska", "mo", "ri", "lle", "to")

_ENGLISH = (
    "{colour} {pattern} {style} {noun}",
    "{colour} {pattern} {noun}, {style}",
    "{pattern} {style} {noun} in {colour}",
    "{brand} {style} {noun}, {colour} {pattern}",
    "{brand} {colour} {pattern} {noun} ({style})",
    "{style} {noun} by {brand}, {pattern}, {colour}",
)
_SIZES = ("S", "M", "L", "XL")
_SIZE_SHARE = 0.4
"""Share of clothes whose title names the size."""

_JAPANESE = (
    "{colour} {pattern} {style}{noun}",
    "{brand} {style}{noun} {colour} {pattern}",
    "{style}{noun} {pattern} {colour}",
    "{pattern} {style}{noun} {colour} {brand}",
    "{colour}の{style}{noun} {pattern}",
)
_CONDITIONS = (
    ("", ""),
    ("", ""),
    ("", ""),
    ("", "【送料無料】"),
    (" - like new", "【美品】"),
    (" - never used", "【新品】"),
    (", unused", "未使用 "),
    (", used once", "一度使用 "),
)
"""What follows the English title and precedes the Japanese one."""


def make_titles(leaf: Leaf, style: str, colour: Colour, pattern: Pattern, rng: np.random.Generator) -> tuple[str, str]:
    """Write the listing's titles.

    Returns:
        The English and the Japanese title.
    """
    brand = _brand(rng)
    english = _choose(_ENGLISH, rng).format(
        colour=colour.english, pattern=pattern.english, style=style, noun=_choose(leaf.nouns, rng), brand=brand
    )
    japanese = _choose(_JAPANESE, rng).format(
        colour=colour.japanese,
        pattern=pattern.japanese,
        style=leaf.styles[style],
        noun=_choose(leaf.nouns_ja, rng),
        brand=brand,
    )
    if leaf.sized and rng.random() < _SIZE_SHARE:
        size = _choose(_SIZES, rng)
        english, japanese = f"{english}, size {size}", f"{japanese} {size}サイズ"
    tail, head = _CONDITIONS[int(rng.integers(len(_CONDITIONS)))]
    return english[0].upper() + english[1:] + tail, head + japanese


def _brand(rng: np.random.Generator) -> str:
    """Return a made-up name of two or three syllables."""
    syllables = [_choose(_ONSETS, rng) + _choose(_VOWELS, rng) for _ in range(int(rng.integers(1, 3)))]
    name = "".join(syllables) + _choose(_CODAS, rng)
    return name.capitalize() if len(name) > 3 else f"{name}{_choose(_ONSETS, rng)}a".capitalize()


def _choose(options: tuple[str, ...], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]
