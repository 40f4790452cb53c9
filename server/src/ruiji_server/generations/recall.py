"""Recall against exact search, with and without price bands, through the candidate search that serves.

A probe is a query whose answer is known exactly. Queries are items of the catalogue, which are not recommended for
themselves; a picture that the index never saw is a little harder to find neighbours for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ruiji_server.columns.live import LiveColumns
from ruiji_server.columns.reader import Columns
from ruiji_server.domain.items import Price
from ruiji_server.domain.limits import MAX_PRICE_MINOR
from ruiji_server.generations.quality import BandRecall
from ruiji_server.index.usearch_index import UsearchIndex
from ruiji_server.ranking.candidates import CandidateSearch, NeighbourSearch
from ruiji_server.ranking.policy import RankingPolicy
from ruiji_server.ranking.price_band import PriceBand
from ruiji_server.ranking.query import Query

NEIGHBOURS = 20
"""Recall is measured for the first page."""
BAND_SHARES = (0.5, 0.1, 0.01, 0.001)
"""Shares of the catalogue that the measured price bands keep."""
SAME_COSINE = 1e-6
"""Cosines nearer than this are equal: the same products, summed in another order, differ so much."""

_BLOCK_ROWS = 16_384
_BISECTIONS = 24


@dataclass(frozen=True, slots=True)
class Probe:
    """A query, and what it should find."""

    query: Query
    nearest: NDArray[np.float32]
    """Cosines of its nearest eligible items by exact search, best first, shape (n,), 1 <= n <= 20."""


@dataclass(frozen=True, slots=True)
class ProbeSet:
    """Probes of one kind."""

    kept_share: float | None
    """The share of the items on sale that their price bands should keep; None without a band."""
    measured_share: float
    """The share that they keep on average."""
    probes: tuple[Probe, ...]


@dataclass(frozen=True, slots=True)
class RecallReport:
    """Recall with and without price bands."""

    recall_at_20: float
    queries: int
    bands: tuple[BandRecall, ...]

    @property
    def worst(self) -> float:
        """The lowest of all."""
        return min([self.recall_at_20, *(band.recall_at_20 for band in self.bands)])


def draw_probes(columns: Columns, *, sample: int, candidates: int, seed: int) -> list[ProbeSet]:
    """Draw items at random and find their exact neighbours; takes one pass over the embeddings.

    Args:
        columns: of the generation.
        sample: how many items, at most.
        candidates: what the ranking policy asks of a search.
        seed: of the draw.

    Returns:
        Probes without a band first, then by kept share, widest first. A share that no drawn item's currency has is
        missing.
    """
    rows = np.random.default_rng(seed).choice(len(columns), size=min(sample, len(columns)), replace=False).tolist()
    on_sale = len(columns.rows_on_sale(None, 0, 0))
    kinds: list[tuple[float | None, list[Query]]] = [
        (None, [_query(columns, row, RankingPolicy(category_weight=0.0, candidates=candidates), None) for row in rows])
    ]
    for share in BAND_SHARES:
        banded: list[Query] = []
        for row in rows:
            price = _price(columns, row)
            ratio = _ratio_that_keeps(columns, price, max(1, round(share * on_sale)))
            if ratio is not None:
                policy = RankingPolicy(max_price_ratio=ratio, category_weight=0.0, candidates=candidates)
                banded.append(_query(columns, row, policy, price))
        kinds.append((share, banded))
    nearest = iter(_exact_nearest(columns, [query for _, queries in kinds for query in queries]))
    sets: list[ProbeSet] = []
    for kept_share, queries in kinds:
        kept = [_count(columns, query) for query in queries]
        found = [Probe(query, next(nearest)) for query in queries]
        probes = tuple(probe for probe in found if len(probe.nearest))
        if probes or kept_share is None:
            sets.append(ProbeSet(kept_share, float(np.mean(kept)) / max(on_sale, 1) if kept else 0.0, probes))
    return sets


def measure_recall(columns: Columns, index: NeighbourSearch, sets: Sequence[ProbeSet]) -> RecallReport:
    """Return the recall of an index, searching as ranking does."""
    search = CandidateSearch(LiveColumns(columns), index)
    plain, *banded = sets
    return RecallReport(
        recall_at_20=_recall(search, plain),
        queries=len(plain.probes),
        bands=tuple(
            BandRecall(probes.kept_share, probes.measured_share, _recall(search, probes), len(probes.probes))
            for probes in banded
            if probes.kept_share is not None
        ),
    )


def choose_expansion(
    columns: Columns, index: UsearchIndex, sets: Sequence[ProbeSet], *, target: float, ladder: Sequence[int]
) -> None:
    """Set the index to the least expansion (ef) of the ladder with which every recall meets the target.

    If none does, it is set to the largest.
    """
    for expansion in ladder:
        index.expansion_search = expansion
        if measure_recall(columns, index, sets).worst >= target:
            return


def found_share(found: NDArray[np.float32], nearest: NDArray[np.float32]) -> float:
    """Return the share of the exact nearest items that were found, 0 to 1.

    Compares cosines and not rows, so that one of several equal pictures is as good as another.

    Args:
        found: cosines of what was found, best first, shape (n,).
        nearest: cosines of the exact nearest, best first, shape (m,), at least one.
    """
    return float(np.count_nonzero(found[: len(nearest)] >= nearest[-1] - SAME_COSINE)) / len(nearest)


def merge_largest(best: NDArray[np.float32], more: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the 20 largest of both, descending; the first are so already."""
    least = best[-1] if len(best) == NEIGHBOURS else np.float32(-np.inf)
    together = np.concatenate((best, more[more > least]))
    if len(together) > NEIGHBOURS:
        together = np.partition(together, len(together) - NEIGHBOURS)[-NEIGHBOURS:]
    return np.sort(together)[::-1]


def _recall(search: CandidateSearch, probes: ProbeSet) -> float:
    if not probes.probes:
        # Nothing is eligible, so nothing can be missed.
        return 1.0
    return float(np.mean([found_share(search.nearest(probe.query).cosines, probe.nearest) for probe in probes.probes]))


def _query(columns: Columns, row: int, policy: RankingPolicy, price: Price | None) -> Query:
    return Query(vector=columns.embeddings[row], page_size=NEIGHBOURS, policy=policy, price=price, row=row)


def _price(columns: Columns, row: int) -> Price:
    return Price(int(columns.prices_minor[row]), columns.currencies[columns.currency_numbers[row]])


def _ratio_that_keeps(columns: Columns, price: Price, wanted: int) -> float | None:
    """Return about the least price ratio whose band keeps a number of items; None if the currency has too few."""

    def keeps(ratio: float) -> int:
        band = PriceBand.around(price.amount_minor, ratio)
        first, last = columns.positions_on_sale(price.currency, band.low_minor, band.high_minor)
        return last - first

    if keeps(float(MAX_PRICE_MINOR)) < wanted:
        return None
    low, high = 1.0, float(MAX_PRICE_MINOR)
    for _ in range(_BISECTIONS):
        middle = (low * high) ** 0.5
        if keeps(middle) >= wanted:
            high = middle
        else:
            low = middle
    return high


def _positions(columns: Columns, query: Query) -> tuple[int, int]:
    band = query.band or PriceBand(0, MAX_PRICE_MINOR)
    return columns.positions_on_sale(query.eligible_currency, band.low_minor, band.high_minor)


def _count(columns: Columns, query: Query) -> int:
    first, last = _positions(columns, query)
    return last - first


def _exact_nearest(columns: Columns, queries: Sequence[Query]) -> list[NDArray[np.float32]]:
    """Return for each query the cosines of its nearest eligible items, best first.

    Rows on sale stand by currency and price, so each query's band is an interval of them.
    """
    order = columns.rows_on_sale(None, 0, 0)
    intervals = [_positions(columns, query) for query in queries]
    # Several queries are of one item; its cosines are computed once.
    items = sorted({query.row for query in queries if query.row is not None})
    number_of = {row: number for number, row in enumerate(items)}
    vectors = columns.embeddings[items]
    nearest = [np.empty(0, dtype=np.float32) for _ in queries]
    for start in range(0, len(order), _BLOCK_ROWS):
        rows = order[start : start + _BLOCK_ROWS]
        cosines = vectors @ columns.embeddings[rows].T
        cosines[np.asarray(items)[:, None] == rows] = -np.inf
        for number, (query, (first, last)) in enumerate(zip(queries, intervals, strict=True)):
            if query.row is not None and first < start + len(rows) and last > start:
                inside = cosines[number_of[query.row], max(first - start, 0) : last - start]
                nearest[number] = merge_largest(nearest[number], inside)
    return nearest
