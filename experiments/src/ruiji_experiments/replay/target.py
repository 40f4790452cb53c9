"""What another ranking policy would have shown, as far as the log can tell: the items of each page in another order.

Items that were not on the page are out of reach. So judge the first positions of longer pages: what a policy brings to
the top from further down is in the log, what it would bring from beyond the page is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ruiji_experiments.errors import LogError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ruiji_experiments.replay.logged import LoggedPages


@dataclass(frozen=True, slots=True)
class TargetPolicy:
    """Ruiji's ranking with other settings: score = (1 - w) * cosine + w * category_similarity inside a price band."""

    category_weight: float = 0.0
    """w, 0 to 1."""
    max_price_ratio: float | None = None
    """Items beyond it are dropped; None drops none."""

    def positions(self, pages: LoggedPages) -> NDArray[np.int64]:
        """Return where each shown item would stand, shape (items,), int64, from 1; 0 if it would be dropped.

        Raises:
            LogError: the log lacks what the policy ranks by.
        """
        needed = ["cosine"] if self.category_weight == 0 else ["cosine", "category_similarity"]
        if self.max_price_ratio is not None:
            needed.append("price_ratio")
        missing = [name for name in needed if np.isnan(pages.features[name]).any()]
        if missing:
            raise LogError(f"the log lacks {' and '.join(missing)} of some items; only the server logs them")
        score = (1 - self.category_weight) * pages.features["cosine"]
        if self.category_weight:
            score = score + self.category_weight * pages.features["category_similarity"]
        kept = np.ones(len(score), bool)
        if self.max_price_ratio is not None:
            kept = pages.features["price_ratio"] <= self.max_price_ratio
        return positions_by_score(pages, score, kept)


def positions_by_score(pages: LoggedPages, score: NDArray[np.float64], kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Order each page by a score, best first, ties by item id; 0 for items that are not kept."""
    order = np.lexsort((pages.item, -score, ~kept, pages.page))
    page = pages.page[order]
    first = np.searchsorted(page, page)
    positions = np.empty(len(order), np.int64)
    positions[order] = np.arange(len(order)) - first + 1
    return np.where(kept, positions, 0)
