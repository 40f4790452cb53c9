"""From a query embedding to a page of items.

The page that is wanted is simple to say: of all eligible items (on sale, in the currency, inside the price band, not
excluded) the `candidates` nearest by cosine, ordered by score, ties by item id.
"""

from __future__ import annotations

import functools
import time

import numpy as np
from numpy.typing import NDArray

from ruiji_server.columns.live import LiveColumns
from ruiji_server.columns.neighbours import NeighbourTable
from ruiji_server.ranking.candidates import Candidates, CandidateSearch, NeighbourSearch, order_by_id
from ruiji_server.ranking.categories import CategoryTree
from ruiji_server.ranking.dropped import explain_dropped
from ruiji_server.ranking.query import Page, Query, Trace


class Recommender:
    """Recommends from one generation and what changed since. Not to be shared by threads."""

    def __init__(self, live: LiveColumns, index: NeighbourSearch, table: NeighbourTable | None = None) -> None:
        """Prepare to recommend.

        Args:
            live: the generation's columns with what changed since.
            index: over the generation's rows.
            table: neighbours of the generation's rows, where they were worked out.
        """
        self._live = live
        self._index = index
        self._search = CandidateSearch(live, index, table)
        self._categories = CategoryTree(live.category_paths)

    def recommend(self, query: Query) -> Page:
        """Return the page for a query; short only if no other item is eligible."""
        started_ns = time.perf_counter_ns()
        found = self._search.nearest(query)
        searched_ns = time.perf_counter_ns()
        order, scores, similarities = self._order(query, found)
        rows = found.rows[order]
        ratios = self._price_ratios(query, rows)
        ranked_ns = time.perf_counter_ns()
        return Page(
            rows=rows,
            scores=scores,
            cosines=found.cosines[order],
            price_ratios=ratios,
            category_similarities=similarities,
            exhausted=found.eligible <= len(rows),
            trace=Trace(
                band_items=self._search.band_items(query) if query.explain else None,
                candidates=found.searched,
                dropped_not_recommendable=found.drops.not_recommendable,
                dropped_by_price=found.drops.by_price,
                dropped_by_exclusion=found.drops.by_exclusion,
                widenings=found.widenings,
                exact_scan=found.exact_scan,
                from_table=found.from_table,
                search_us=(searched_ns - started_ns) // 1_000,
                rank_us=(ranked_ns - searched_ns) // 1_000,
            ),
            dropped=explain_dropped(query, found, rows, self._live, self._index, self._tree()),
        )

    def _order(
        self, query: Query, found: Candidates
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32] | None]:
        """Return the positions of the page among the candidates, its scores, its category similarities."""
        if query.category_path is None:
            # Already ordered by cosine, then id.
            return np.arange(min(query.page_size, len(found.rows))), found.cosines[: query.page_size], None
        numbers = self._live.category_numbers(found.rows)
        similarities = self._tree().similarities(query.category_path)[numbers]
        cosine_weight, category_weight = _weights(query.policy.category_weight)
        scores = found.cosines * cosine_weight
        scores += similarities * category_weight
        order = order_by_id(self._live, found.rows, scores)[: query.page_size]
        return order, scores[order], similarities[order]

    def _tree(self) -> CategoryTree:
        paths = self._live.category_paths
        if len(paths) != len(self._categories.paths):
            self._categories = CategoryTree(paths)
        return self._categories

    def _price_ratios(self, query: Query, rows: NDArray[np.int64]) -> NDArray[np.float64] | None:
        if query.price is None or query.price.currency != query.eligible_currency:
            return None
        prices = self._live.prices_minor(rows).astype(np.float64)
        ratios: NDArray[np.float64] = np.maximum(prices, query.price.amount_minor)
        ratios /= np.minimum(prices, query.price.amount_minor)
        return ratios


@functools.lru_cache(maxsize=1024)
def _weights(category_weight: float) -> tuple[np.float32, np.float32]:
    """Return the weights of cosine and category similarity, of the type of what they weigh."""
    return np.float32(1) - np.float32(category_weight), np.float32(category_weight)
