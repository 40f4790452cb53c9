"""The exact answers are those of the job's definition, written down once more without any array."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ruiji_server.store.embedded_items import EmbeddedItem

from benchmarks.comparison.catalogue import Queries, fault, measured_queries, tuning_queries
from benchmarks.comparison.job import CANDIDATES, PAGE_SIZE, Catalogue, search_and_filter
from benchmarks.synthetic_catalogue import synthetic_items
from tests.benchmarks.comparison.conftest import ITEMS


@pytest.fixture(scope="module")
def catalogue(work: Path) -> Catalogue:
    return Catalogue.open(work)


@pytest.fixture(scope="module")
def queries(work: Path) -> Queries:
    return Queries.open(measured_queries(work))


def plain_page(items: list[EmbeddedItem], query: EmbeddedItem) -> list[str]:
    """Return the ids of the page, item by item."""

    def cosine(item: EmbeddedItem) -> float:
        return float(np.dot(item.vector.astype(np.float64), query.vector.astype(np.float64)))

    def near(item: EmbeddedItem) -> float:
        pairs = list(zip(item.category_path, query.category_path, strict=False))
        common = next((depth for depth, (one, other) in enumerate(pairs) if one != other), len(pairs))
        return 2 * common / (len(item.category_path) + len(query.category_path))

    eligible = [
        item
        for item in items
        if item.item_id != query.item_id
        and item.state.name == "ON_SALE"
        and max(item.price_minor, query.price_minor) <= 2 * min(item.price_minor, query.price_minor)
    ]
    candidates = sorted(eligible, key=cosine, reverse=True)[:CANDIDATES]
    best = sorted(candidates, key=lambda item: 0.8 * cosine(item) + 0.2 * near(item), reverse=True)
    return [item.item_id for item in best[:PAGE_SIZE]]


def test_exact_pages_are_those_of_the_definition(catalogue: Catalogue, queries: Queries) -> None:
    items = list(synthetic_items(ITEMS, 0))
    for row, page in zip(queries.rows.tolist(), queries.pages, strict=True):
        expected = plain_page(items, items[row])
        found = [catalogue.ids[other] for other in page[page >= 0].tolist()]
        assert set(found) == set(expected)
        assert fault(catalogue, row, page[page >= 0]) is None


def test_queries_are_on_sale_and_none_of_them_tunes(work: Path, catalogue: Catalogue, queries: Queries) -> None:
    tuning = Queries.open(tuning_queries(work))
    assert catalogue.on_sale[queries.rows].all()
    assert not np.isin(tuning.rows, queries.rows).any()


def test_recall_is_the_share_of_the_page(queries: Queries) -> None:
    page = queries.pages[0]
    assert queries.recall(0, page) == 1.0
    assert queries.recall(0, page[: PAGE_SIZE // 2]) == 0.5
    assert queries.recall(0, np.array([], dtype=np.int64)) == 0.0


class TestFault:
    def test_of_an_item_outside_the_band(self, catalogue: Catalogue, queries: Queries) -> None:
        row = int(queries.rows[0])
        outside = np.flatnonzero(catalogue.prices > 2 * catalogue.prices[row])[:1]
        assert "outside the price band" in str(fault(catalogue, row, outside))

    def test_of_a_sold_item(self, catalogue: Catalogue, queries: Queries) -> None:
        row = int(queries.rows[0])
        low, high = catalogue.band(row)
        sold = np.flatnonzero(~catalogue.on_sale & (catalogue.prices >= low) & (catalogue.prices <= high))[:1]
        assert len(sold) == 1
        assert "sold" in str(fault(catalogue, row, sold))

    def test_of_the_query_itself(self, catalogue: Catalogue, queries: Queries) -> None:
        row = int(queries.rows[0])
        assert "the one asked for" in str(fault(catalogue, row, np.array([row])))

    def test_of_an_item_twice(self, catalogue: Catalogue, queries: Queries) -> None:
        first = queries.pages[0][:1]
        assert "twice" in str(fault(catalogue, int(queries.rows[0]), np.concatenate((first, first))))

    def test_of_the_wrong_order(self, catalogue: Catalogue, queries: Queries) -> None:
        page = queries.pages[0]
        assert "not ordered" in str(fault(catalogue, int(queries.rows[0]), page[page >= 0][::-1]))


class TestSearchAndFilter:
    """An index that knows no prices, here one that compares with everything."""

    @staticmethod
    def nearest(catalogue: Catalogue, row: int, asked: list[int]):
        def search(count: int):
            asked.append(count)
            cosines = catalogue.vectors @ catalogue.vectors[row]
            best = np.argsort(-cosines)[:count]
            return best, cosines[best]

        return search

    def test_asks_for_more_until_a_page_is_full(self, catalogue: Catalogue, queries: Queries) -> None:
        for row in queries.rows.tolist():
            asked: list[int] = []
            rows, _ = search_and_filter(catalogue, row, 32, self.nearest(catalogue, row, asked))
            assert asked == [min(32 * 4**number, ITEMS) for number in range(len(asked))]
            assert len(rows) >= PAGE_SIZE or asked[-1] == ITEMS
            assert catalogue.eligible(row, rows).all()

    def test_with_everything_asked_for_gives_the_exact_page(self, catalogue: Catalogue, queries: Queries) -> None:
        for place, row in enumerate(queries.rows.tolist()):
            rows, cosines = search_and_filter(catalogue, row, ITEMS, self.nearest(catalogue, row, []))
            assert queries.recall(place, catalogue.rank(row, rows, cosines).rows) == 1.0
