"""The prices allowed around the query's, as whole minor units."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from ruiji_server.domain.limits import MAX_PRICE_MINOR


@dataclass(frozen=True, slots=True)
class PriceBand:
    """Prices from `low_minor` to `high_minor`, both included."""

    low_minor: int
    high_minor: int

    @classmethod
    def around(cls, price_minor: int, max_ratio: float) -> PriceBand:
        """Return the band of prices p with max(p, q) / min(p, q) <= max_ratio, for the query's price q.

        The ratio counts as the decimal number that a person would write for it: 1.15 admits 115 beside 100, though
        the nearest float is a little below 1.15.

        Args:
            price_minor: the query's price q, above 0.
            max_ratio: at least 1; infinity admits every price.
        """
        if math.isinf(max_ratio):
            return cls(0, MAX_PRICE_MINOR)
        numerator, denominator = as_fraction(max_ratio)
        low = -(-price_minor * denominator // numerator)
        return cls(low, min(price_minor * numerator // denominator, MAX_PRICE_MINOR))


@lru_cache(maxsize=1024)
def as_fraction(max_ratio: float) -> tuple[int, int]:
    """Return numerator and denominator of the decimal number that a person would write for a finite ratio."""
    return Fraction(repr(max_ratio)).as_integer_ratio()
