"""The fast path against the plain one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ruiji_server.columns.live import LiveColumns
from ruiji_server.columns.neighbours import NeighbourTable
from ruiji_server.domain.items import ItemState, Price
from ruiji_server.generations.neighbours import NeighbourTableSettings, write_neighbours
from ruiji_server.index.exact import nearest_among
from ruiji_server.ranking.policy import RankingPolicy
from ruiji_server.ranking.query import Page, Query
from ruiji_server.ranking.recommender import Recommender

from tests.support.reference_ranking import wanted_page

EXACT_TIES = 1e-5


class ExactSearch:
    """An index that misses nothing, so that only ranking is under test."""

    def __init__(self, embeddings):
        self._embeddings = embeddings

    def search(self, query, k):
        return nearest_among(self._embeddings, np.arange(len(self._embeddings)), query, k)[0]


@pytest.fixture(scope="module", params=["search", "neighbour table", "neighbour table without cosines"])
def exact(request, generation, tmp_path_factory) -> Recommender:
    columns, table = generation.columns, None
    if request.param != "search":
        folder = tmp_path_factory.mktemp("table")
        write_neighbours(folder, columns, NeighbourTableSettings(), lambda _items: None)
        if request.param == "neighbour table without cosines":
            (folder / "neighbour_cosines.npy").unlink()
        table = NeighbourTable.open(folder, 2.0)
    return Recommender(LiveColumns(columns), ExactSearch(columns.embeddings), table)


@pytest.fixture(scope="module")
def approximate(generation) -> Recommender:
    return Recommender(LiveColumns(generation.columns), generation.index)


def query_for(generation, item, policy, page_size=20, **changes) -> Query:
    columns = generation.columns
    row = columns.row_of(item.item_id)
    fields = {
        "vector": columns.embeddings[row],
        "page_size": page_size,
        "policy": policy,
        "price": item.price,
        "category_path": item.category_path,
        "row": row,
    }
    return Query(**{**fields, **changes})


def ids(generation, page: Page) -> list[str]:
    return [generation.columns.item_id(row) for row in page.rows.tolist()]


@pytest.mark.parametrize("page_size", [1, 20, 200])
@pytest.mark.parametrize("weight", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("ratio", [1.0, 1.02, 1.3, 2.0, math.inf])
def test_pages_are_those_of_exact_search_and_plain_ranking(filled_store, generation, exact, ratio, weight, page_size):
    policy = RankingPolicy(max_price_ratio=ratio, category_weight=weight)
    for item, vector in list(zip(filled_store.items, filled_store.vectors, strict=True))[::600]:
        page = exact.recommend(query_for(generation, item, policy, page_size))
        expected, exhausted = wanted_page(
            filled_store.items, filled_store.vectors, vector,
            page_size=page_size, policy=policy, price=item.price, category_path=item.category_path,
            excluded={item.item_id},
        )  # fmt: skip
        assert page.exhausted == exhausted
        assert_same_but_for_ties(ids(generation, page), expected, page.scores)


def assert_same_but_for_ties(found: list[str], expected: list[str], scores) -> None:
    """Float32 and float64 may order items differently whose scores agree to five digits."""
    assert len(found) == len(expected)
    for position, (one, other) in enumerate(zip(found, expected, strict=True)):
        if one != other:
            near = np.abs(scores - scores[position]) < EXACT_TIES
            last = len(found) - 1
            assert near.sum() > 1 or position == last, f"{one} instead of {other} at {position}"


def test_the_index_finds_nearly_all_of_the_wanted_page(filled_store, generation, approximate):
    policy = RankingPolicy(max_price_ratio=math.inf, candidates=60)
    found = total = 0
    for item, vector in list(zip(filled_store.items, filled_store.vectors, strict=True))[::40]:
        page = approximate.recommend(query_for(generation, item, policy))
        if page.trace.exact_scan:
            continue
        expected, _ = wanted_page(
            filled_store.items, filled_store.vectors, vector,
            page_size=20, policy=policy, price=item.price, category_path=item.category_path, excluded={item.item_id},
        )  # fmt: skip
        assert len(page.rows) == len(expected)
        found += len(set(ids(generation, page)) & set(expected))
        total += len(expected)
    assert total > 500
    assert found / total >= 0.95


def test_a_page_is_short_only_if_the_catalogue_has_no_more(filled_store, generation, approximate):
    rare = Price(987_654_321, "USD")
    page = approximate.recommend(query_for(generation, filled_store.items[0], RankingPolicy(), price=rare))
    assert len(page.rows) == 0
    assert page.exhausted


def test_a_sold_item_is_a_query_and_never_an_answer(filled_store, generation, approximate):
    sold = {item.item_id for item in filled_store.items if item.state == ItemState.SOLD}
    policy = RankingPolicy(max_price_ratio=math.inf)
    item = next(item for item in filled_store.items if item.item_id in sold)
    page = approximate.recommend(query_for(generation, item, policy, 200))
    assert len(page.rows) == 200
    assert not sold & set(ids(generation, page))


def test_excluded_items_make_room_for_others(filled_store, generation, exact):
    item, policy = filled_store.items[7], RankingPolicy()
    first = exact.recommend(query_for(generation, item, policy))
    second = exact.recommend(query_for(generation, item, policy, excluded_rows=np.sort(first.rows)))
    assert len(second.rows) == 20
    assert not set(first.rows.tolist()) & set(second.rows.tolist())


def test_a_thousand_exclusions_still_fill_the_page(filled_store, generation, approximate):
    item, policy = filled_store.items[7], RankingPolicy(max_price_ratio=math.inf)
    near, _ = nearest_among(generation.columns.embeddings, np.arange(3_000), generation.columns.embeddings[7], 1_000)
    page = approximate.recommend(query_for(generation, item, policy, 200, price=None, excluded_rows=np.sort(near)))
    assert len(page.rows) == 200
    assert not set(near.tolist()) & set(page.rows.tolist())


def test_without_a_price_there_is_no_band_and_any_currency_will_do(filled_store, generation, exact):
    item, policy = filled_store.items[3], RankingPolicy()
    page = exact.recommend(query_for(generation, item, policy, 200, price=None))
    assert page.price_ratios is None
    currencies = {generation.columns.currencies[n] for n in generation.columns.currency_numbers[page.rows]}
    assert currencies == {"JPY", "USD"}


def test_another_currency_than_the_querys_turns_the_band_off(filled_store, generation, exact):
    item = next(item for item in filled_store.items if item.price.currency == "JPY")
    page = exact.recommend(query_for(generation, item, RankingPolicy(max_price_ratio=1.0), currency="USD"))
    assert page.price_ratios is None
    assert len(page.rows) == 20
    assert {generation.columns.currencies[n] for n in generation.columns.currency_numbers[page.rows]} == {"USD"}


def test_a_currency_that_no_item_has_gives_an_empty_page(filled_store, generation, exact):
    page = exact.recommend(query_for(generation, filled_store.items[3], RankingPolicy(), currency="CHF"))
    assert len(page.rows) == 0
    assert page.exhausted


def test_without_a_category_the_score_is_the_cosine(filled_store, generation, exact):
    page = exact.recommend(query_for(generation, filled_store.items[3], RankingPolicy(), category_path=None))
    assert page.category_similarities is None
    np.testing.assert_array_equal(page.scores, page.cosines)


def test_the_numbers_of_a_page_are_those_of_the_formula(filled_store, generation, exact):
    item, policy = filled_store.items[11], RankingPolicy(category_weight=0.3)
    page = exact.recommend(query_for(generation, item, policy))
    np.testing.assert_allclose(page.scores, 0.7 * page.cosines + 0.3 * page.category_similarities, atol=1e-6)
    assert (np.diff(page.scores) <= 0).all()
    prices = generation.columns.prices_minor[page.rows]
    expected = np.maximum(prices, item.price.amount_minor) / np.minimum(prices, item.price.amount_minor)
    np.testing.assert_allclose(page.price_ratios, expected)
    assert (page.price_ratios <= 2.0).all()


def test_equal_scores_are_ordered_by_item_id(generation, exact):
    class Twins:
        """Every row has the same embedding."""

        def search(self, _query, k):
            return np.arange(k)[::-1]

    columns = generation.columns
    weightless = RankingPolicy(category_weight=1.0, max_price_ratio=math.inf)
    path = columns.category_paths[0]
    page = Recommender(LiveColumns(columns), Twins()).recommend(
        Query(vector=np.zeros(128, np.float32), page_size=10, policy=weightless, category_path=path)
    )
    found = list(zip((-page.scores).tolist(), ids(generation, page), strict=True))
    assert found == sorted(found)
    assert len(set(page.scores.tolist())) < 10
