"""Prices: log-normal by category, rounded as people ask for them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ruiji_demo.catalogue.taxonomy import Leaf

CURRENCY = "JPY"
"""ISO 4217. The yen has no smaller unit, so a minor unit is a yen."""

MIN_PRICE_MINOR = 300
"""Marketplaces set a floor like this one."""


def draw_price_minor(leaf: Leaf, rng: np.random.Generator) -> int:
    """Draw an asking price in yen: exp(N(ln median, sigma)), rounded to two significant digits."""
    price = leaf.median_price_minor * math.exp(float(rng.normal(0.0, leaf.price_sigma)))
    step = 10.0 ** max(1, int(math.log10(price)) - 1)
    return max(MIN_PRICE_MINOR, round(round(price / step) * step))
