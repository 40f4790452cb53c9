"""From a query embedding to a page of items.

The page that is wanted is simple to say: of all eligible items (on sale, in the currency, inside the price band, not
excluded) the `candidates` nearest by cosine, ordered by score, ties by item id.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from ruiji_server.columns.live import LiveColumns
from ruiji_server.columns.neighbours import NeighbourTable
from ruiji_server.kernels.columns import NO_AMOUNT, RankedPage
from ruiji_server.ranking.candidates import CandidateSearch, NeighbourSearch, order_by_id
from ruiji_server.ranking.categories import LiveCategories
from ruiji_server.ranking.dropped import explain_dropped
from ruiji_server.ranking.eligible import Candidates
from ruiji_server.ranking.from_table import Reach
from ruiji_server.ranking.listed import ListedPages
from ruiji_server.ranking.query import Page, Query, Trace
from ruiji_server.ranking.weights import score_weights


class Recommender:
    """Recommends from one generation and what changed since. Not to be shared by threads.

    Attributes:
        listed: what the kernel has to know to make pages of the generation's items; None without a table.
    """

    def __init__(
        self, live: LiveColumns, index: NeighbourSearch, table: NeighbourTable | None = None, reach: Reach | None = None
    ) -> None:
        """Prepare to recommend.

        Args:
            live: the generation's columns with what changed since.
            index: over the generation's rows.
            table: neighbours of the generation's rows, where they were worked out.
            reach: what is compared beyond an item's own neighbours.
        """
        self._live = live
        self._index = index
        self._search = CandidateSearch(live, index, table, reach)
        self._categories = LiveCategories(lambda: live.category_paths)
        self.listed = None if table is None else ListedPages(live, table, self._categories, reach or Reach())

    def recommend(self, query: Query) -> Page:
        """Return the page for a query; short only if no other item is eligible."""
        started_ns = time.perf_counter_ns()
        found = self._search.nearest(query)
        searched_ns = time.perf_counter_ns()
        ranked = self._ranked(query, found)
        ranked_ns = time.perf_counter_ns()
        return Page(
            rows=ranked.rows,
            scores=ranked.scores,
            cosines=ranked.cosines,
            price_ratios=ranked.price_ratios,
            category_similarities=ranked.category_similarities,
            exhausted=found.eligible <= len(ranked.rows),
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
            dropped=explain_dropped(query, found, ranked.rows, self._live, self._index, self._categories.tree()),
        )

    def _ranked(self, query: Query, found: Candidates) -> RankedPage:
        """Return the best of the candidates."""
        if query.category_path is None:
            # Already ordered by cosine, then id.
            size = query.page_size
            rows, cosines = found.rows[:size], found.cosines[:size]
            return RankedPage(rows, cosines, cosines, None, self._price_ratios(query, rows))
        similarities = self._categories.tree().similarities(query.category_path)
        weights = score_weights(query.policy.category_weight)
        price = query.price
        amount_minor = NO_AMOUNT if price is None or price.currency != query.eligible_currency else price.amount_minor
        ranked = self._live.rank(found.rows, found.cosines, similarities, weights, amount_minor, query.page_size)
        return ranked or self._ranked_by_numpy(query, found, similarities, weights)

    def _ranked_by_numpy(
        self,
        query: Query,
        found: Candidates,
        category_similarities: NDArray[np.float32],
        weights: tuple[np.float32, np.float32],
    ) -> RankedPage:
        """Do what the kernel does, where it was not built, and where changed items tie."""
        similarities = category_similarities[self._live.category_numbers(found.rows)]
        scores = found.cosines * weights[0]
        scores += similarities * weights[1]
        order = order_by_id(self._live, found.rows, scores)[: query.page_size]
        rows = found.rows[order]
        return RankedPage(
            rows, scores[order], found.cosines[order], similarities[order], self._price_ratios(query, rows)
        )

    def _price_ratios(self, query: Query, rows: NDArray[np.int64]) -> NDArray[np.float64] | None:
        if query.price is None or query.price.currency != query.eligible_currency:
            return None
        prices = self._live.prices_minor(rows).astype(np.float64)
        ratios: NDArray[np.float64] = np.maximum(prices, query.price.amount_minor)
        ratios /= np.minimum(prices, query.price.amount_minor)
        return ratios
