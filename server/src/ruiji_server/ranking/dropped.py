"""Why items that look like the query are not on its page.

The nearest items are asked for once more, whatever their price and state, and each that is not on the page is taken
through the same steps as the page: eligible, reached by the search, among the candidates, ordered high enough. What is
said is therefore true of the page at hand, also where its candidates came from the neighbour table.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ruiji_server.columns.live import LiveColumns
from ruiji_server.domain.items import ItemState
from ruiji_server.ranking.candidates import NeighbourSearch, order_by_id
from ruiji_server.ranking.categories import CategoryTree
from ruiji_server.ranking.eligible import Candidates
from ruiji_server.ranking.query import Dropped, DropReason, Query


def explain_dropped(
    query: Query,
    found: Candidates,
    page: NDArray[np.int64],
    live: LiveColumns,
    index: NeighbourSearch,
    tree: CategoryTree,
) -> tuple[Dropped, ...]:
    """Return the nearest items that are not on a page, nearest first, and those that the query names.

    Args:
        query: says how many, and which in any case; nothing is done if none.
        found: the candidates of the page.
        page: its rows.
        live: the catalogue.
        index: over the generation's rows.
        tree: similarity of the catalogue's categories, by their numbers.
    """
    if not query.explain_dropped and not len(query.explained_rows):
        return ()
    nearest = np.empty(0, dtype=np.int64)
    if query.explain_dropped:
        nearest = _nearest(query, page, live, index)
    named = query.explained_rows[~np.isin(query.explained_rows, page)]
    rows = np.union1d(nearest, named)
    cosines = live.cosines(rows, query.vector)
    rows = rows[order_by_id(live, rows, cosines)]
    return _explained(query, found, rows, live, tree)


def _nearest(query: Query, page: NDArray[np.int64], live: LiveColumns, index: NeighbourSearch) -> NDArray[np.int64]:
    """Return the nearest rows that are not on the page, whether or not they are eligible; in no order."""
    # Those on the page, the query itself and some rows that changed since may take places.
    wanted = len(page) + 1 + query.explain_dropped + min(len(live.hidden_rows), 4 * query.explain_dropped)
    brought = index.search(query.vector, min(wanted, len(live.base))) if len(live.base) else np.empty(0, dtype=np.int64)
    rows = np.concatenate((brought[~live.hidden[brought]], live.changed_rows()))
    rows = rows[~np.isin(rows, page)]
    if query.row is not None:
        rows = rows[rows != query.row]
    order = order_by_id(live, rows, live.cosines(rows, query.vector))
    nearest: NDArray[np.int64] = rows[order[: query.explain_dropped]]
    return nearest


def _explained(
    query: Query, found: Candidates, rows: NDArray[np.int64], live: LiveColumns, tree: CategoryTree
) -> tuple[Dropped, ...]:
    cosines = live.cosines(rows, query.vector)
    prices = live.prices_minor(rows)
    currency, band = query.eligible_currency, query.band
    in_currency = np.ones(len(rows), dtype=np.bool_) if currency is None else live.are_priced_in(rows, currency)
    in_band = in_currency if band is None else (prices >= band.low_minor) & (prices <= band.high_minor)
    similarities = None
    scores = cosines
    if query.category_path is not None:
        weight = np.float32(query.policy.category_weight)
        similarities = tree.similarities(query.category_path)[live.category_numbers(rows)]
        scores = (np.float32(1) - weight) * cosines + weight * similarities
    # The first that holds is the reason.
    beyond = _is_beyond(query, found, cosines)
    checks = (
        (rows == (-1 if query.row is None else query.row), DropReason.QUERY_ITEM),
        (live.states(rows) != ItemState.ON_SALE, DropReason.NOT_ON_SALE),
        (~in_currency, DropReason.OTHER_CURRENCY),
        (~in_band, DropReason.OUTSIDE_PRICE_BAND),
        (np.isin(rows, query.excluded_rows), DropReason.EXCLUDED),
        (np.isin(rows, found.rows), DropReason.OUTRANKED),
        (beyond, DropReason.BEYOND_CANDIDATES),
    )
    dropped = []
    for place, row in enumerate(rows.tolist()):
        reason = next((reason for holds, reason in checks if holds[place]), DropReason.NOT_REACHED)
        ratio = None
        if band is not None and query.price is not None and in_currency[place]:
            amounts = int(prices[place]), query.price.amount_minor
            ratio = max(amounts) / min(amounts)
        similarity = None if similarities is None else float(similarities[place])
        dropped.append(Dropped(row, reason, float(cosines[place]), float(scores[place]), ratio, similarity))
    return tuple(dropped)


def _is_beyond(query: Query, found: Candidates, cosines: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which items are no nearer than the last candidate, if no more candidates were wanted."""
    if len(found.rows) < max(query.policy.candidates, query.page_size):
        return np.zeros(len(cosines), dtype=np.bool_)
    beyond: NDArray[np.bool_] = cosines <= found.cosines.min()
    return beyond
