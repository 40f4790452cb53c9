"""The ranking policy: what a page is ordered by, and what may be on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ruiji_server.domain.errors import InvalidArgument, Reason


@dataclass(frozen=True, slots=True)
class RankingPolicy:
    """How candidates become a page. Out-of-range values raise `InvalidArgument`."""

    max_price_ratio: float = 2.0
    """Largest max(p, q) / min(p, q) between an item's price p and the query's q; at least 1, infinity for no band."""
    category_weight: float = 0.2
    """Share w of category similarity in the score (1 - w) * cosine + w * category_similarity; 0 to 1."""
    candidates: int = 100
    """How many of the nearest eligible items are ordered by score; a larger page takes more."""

    def __post_init__(self) -> None:
        if math.isnan(self.max_price_ratio) or self.max_price_ratio < 1.0:
            raise InvalidArgument(
                Reason.PRICE_RATIO_OUT_OF_RANGE,
                f"max_price_ratio is {self.max_price_ratio}; it must be at least 1, or infinity for no band",
                field="ranking.max_price_ratio",
            )
        if not 0.0 <= self.category_weight <= 1.0:
            raise InvalidArgument(
                Reason.CATEGORY_WEIGHT_OUT_OF_RANGE,
                f"category_weight is {self.category_weight}; it must be between 0 and 1",
                field="ranking.category_weight",
            )
        if self.candidates < 1:
            raise ValueError(f"candidates is {self.candidates}; it must be at least 1")
