"""Pages for items that a generation has, made by one call of the compiled kernel: what most requests ask for.

They are those that `Recommender.recommend` makes, without what nobody asked for: how they came about.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ruiji_server.columns.live import LiveColumns
from ruiji_server.columns.neighbours import NeighbourTable
from ruiji_server.domain.items import ItemState
from ruiji_server.kernels.columns import Tags
from ruiji_server.kernels.listed import CompiledCatalogue, Wanted
from ruiji_server.ranking.categories import LiveCategories
from ruiji_server.ranking.from_table import Reach
from ruiji_server.ranking.policy import RankingPolicy
from ruiji_server.ranking.price_band import as_fraction
from ruiji_server.ranking.weights import score_weights


class ListedPages:
    """What the kernel has to know to make such pages of one generation.

    Attributes:
        catalogue: the generation with what changed since; None without a table that keeps cosines, or without kernels.
    """

    def __init__(self, live: LiveColumns, table: NeighbourTable, categories: LiveCategories, reach: Reach) -> None:
        """Prepare.

        Args:
            live: the generation's columns with what changed since.
            table: neighbours of the generation's rows.
            categories: of all items.
            reach: what is compared where an item's neighbours do not suffice.
        """
        self._table = table
        self._categories = categories
        self._reach = reach
        self.catalogue: CompiledCatalogue | None = live.compiled_catalogue(table, self._similarities)

    def wanted(self, policy: RankingPolicy, page_size: int, tags: Tags) -> Wanted | None:
        """Return what the kernel is told of a page; None where the table does not suffice for it.

        Args:
            policy: how candidates become a page.
            page_size: most items to return, at least 1.
            tags: of the message that the items will be in.
        """
        if policy.max_price_ratio > self._table.max_price_ratio:
            return None
        cosine_weight, category_weight = score_weights(policy.category_weight)
        pool_size = max(policy.candidates, page_size)
        numerator, denominator = as_fraction(policy.max_price_ratio)
        return Wanted(
            page_size=page_size,
            pool_size=pool_size,
            ratio_numerator=numerator,
            ratio_denominator=denominator,
            scanned_at_most=self._reach.scanned_at_most,
            met_enough=self._reach.met_enough(pool_size),
            met_least=self._reach.met_least(pool_size),
            moved_at_most=self._reach.price_moved_at_most,
            is_narrower=policy.max_price_ratio < self._table.max_price_ratio,
            on_sale=ItemState.ON_SALE,
            cosine_weight=float(cosine_weight),
            category_weight=float(category_weight),
            tags=tags,
        )

    def _similarities(self, category: int) -> NDArray[np.float32]:
        tree = self._categories.tree()
        return tree.similarities(tree.paths[category])
