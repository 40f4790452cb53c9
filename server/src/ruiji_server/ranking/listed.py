"""Pages for items that a generation has, made by one call of the compiled kernel: what most requests ask for.

They are those that `Recommender.recommend` makes, without what nobody asked for: how they came about.
"""

from __future__ import annotations

from ruiji_server.columns.live import LiveColumns
from ruiji_server.columns.neighbours import NeighbourTable
from ruiji_server.domain.items import ItemState
from ruiji_server.kernels.columns import Tags
from ruiji_server.kernels.listed import ListedPages, PreparedWishes, Wanted, WrittenItems
from ruiji_server.ranking.categories import CategoryTree
from ruiji_server.ranking.from_table import Reach
from ruiji_server.ranking.policy import RankingPolicy
from ruiji_server.ranking.price_band import as_fraction
from ruiji_server.ranking.weights import score_weights

_PREPARED_AT_MOST = 1_024


class ListedRecommender:
    """Makes such pages. Not to be shared by threads."""

    def __init__(self, live: LiveColumns, table: NeighbourTable, pages: ListedPages, reach: Reach) -> None:
        """Prepare to recommend.

        Args:
            live: the generation's columns with what changed since.
            table: neighbours of the generation's rows.
            pages: `live.listed_pages(table)`.
            reach: what is compared where an item's neighbours do not suffice.
        """
        self._live = live
        self._table = table
        self._pages = pages
        self._reach = reach
        self._prepared: dict[tuple[RankingPolicy, int, Tags], PreparedWishes | None] = {}

    @classmethod
    def of(
        cls, live: LiveColumns, table: NeighbourTable | None, reach: Reach | None = None
    ) -> ListedRecommender | None:
        """Return one, or None without a table that keeps cosines, or without kernels."""
        pages = None if table is None else live.listed_pages(table)
        return None if table is None or pages is None else cls(live, table, pages, reach or Reach())

    def recommend(
        self, row: int, tree: CategoryTree, policy: RankingPolicy, page_size: int, tags: Tags
    ) -> WrittenItems | None:
        """Return the page of an item; None where the table does not suffice for it.

        Args:
            row: the item's.
            tree: of all categories.
            policy: how candidates become a page.
            page_size: most items to return, at least 1.
            tags: of the message that the items will be in.
        """
        wanted = self._wanted(policy, page_size, tags)
        if wanted is None:
            return None
        similarities = tree.similarities(self._live.category_path(row))
        return self._live.listed_page(self._pages, row, wanted, similarities)

    def _wanted(self, policy: RankingPolicy, page_size: int, tags: Tags) -> PreparedWishes | None:
        key = (policy, page_size, tags)
        if key not in self._prepared:
            if len(self._prepared) >= _PREPARED_AT_MOST:
                self._prepared.clear()
            self._prepared[key] = self._newly_wanted(policy, page_size, tags)
        return self._prepared[key]

    def _newly_wanted(self, policy: RankingPolicy, page_size: int, tags: Tags) -> PreparedWishes | None:
        if policy.max_price_ratio > self._table.max_price_ratio:
            return None
        cosine_weight, category_weight = score_weights(policy.category_weight)
        pool_size = max(policy.candidates, page_size)
        numerator, denominator = as_fraction(policy.max_price_ratio)
        return self._pages.prepared(
            Wanted(
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
        )
