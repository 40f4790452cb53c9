"""What is not on a page is explained as a look at every item would explain it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruiji_server.columns.live import ItemChange, LiveColumns
from ruiji_server.domain.items import ItemState
from ruiji_server.index.exact import nearest_among
from ruiji_server.ranking.policy import RankingPolicy
from ruiji_server.ranking.query import DropReason, Page, Query
from ruiji_server.ranking.recommender import Recommender
from ruiji_server.store.embedded_items import EmbeddedItem

from tests.support.catalogues import FilledStore

ALL = 3_000
ASKED = 8
"""An item in the currency that most have."""


class ExactSearch:
    """An index that misses nothing, or all but the nearest few."""

    def __init__(self, embeddings, blind_after: int = ALL):
        self._embeddings = embeddings
        self._blind_after = blind_after

    def search(self, query, k):
        return nearest_among(self._embeddings, np.arange(len(self._embeddings)), query, min(k, self._blind_after))[0]


@pytest.fixture
def live(generation) -> LiveColumns:
    return LiveColumns(generation.columns)


def ask(live: LiveColumns, number: int, policy: RankingPolicy, index=None, **changes) -> tuple[Query, Page]:
    row = live.row_of(f"item-{number:05d}")
    fields = {
        "vector": live.embedding(row),
        "page_size": 10,
        "policy": policy,
        "price": live.price(row),
        "category_path": live.category_path(row),
        "row": row,
        "explain_dropped": 30,
    }
    query = Query(**{**fields, **changes})
    return query, Recommender(live, index or ExactSearch(live.base.embeddings)).recommend(query)


def reasons(live: LiveColumns, page: Page) -> dict[str, DropReason]:
    return {live.item_id(dropped.row): dropped.reason for dropped in page.dropped}


def test_nothing_is_explained_unless_asked_for(live):
    _, page = ask(live, ASKED, RankingPolicy(), explain_dropped=0)
    assert page.dropped == ()


def expected_reason(store: FilledStore, query: Query, number: int, cosines: np.ndarray) -> DropReason:
    """Return why an item that is not on the page is not, from the rules alone."""
    item, own = store.items[number], query.price

    def is_eligible(other: int) -> bool:
        it = store.items[other]
        ratio = max(it.price.amount_minor, own.amount_minor) / min(it.price.amount_minor, own.amount_minor)
        same = it.price.currency == own.currency
        return it.state == ItemState.ON_SALE and same and ratio <= query.policy.max_price_ratio and other != query.row

    if item.state != ItemState.ON_SALE:
        return DropReason.NOT_ON_SALE
    if item.price.currency != own.currency:
        return DropReason.OTHER_CURRENCY
    if not is_eligible(number):
        return DropReason.OUTSIDE_PRICE_BAND
    nearer = sum(is_eligible(other) for other in np.flatnonzero(cosines > cosines[number]).tolist())
    return DropReason.OUTRANKED if nearer < query.policy.candidates else DropReason.BEYOND_CANDIDATES


@settings(deadline=None, max_examples=25)
@given(
    number=st.integers(0, ALL - 1),
    ratio=st.sampled_from([1.1, 2.0, math.inf]),
    weight=st.sampled_from([0.0, 0.2, 1.0]),
    candidates=st.sampled_from([10, 40]),
)
def test_the_reasons_are_those_of_the_rules(filled_store, generation, number, ratio, weight, candidates):
    live = LiveColumns(generation.columns)
    query, page = ask(live, number, RankingPolicy(ratio, weight, candidates))
    cosines = filled_store.vectors @ query.vector
    on_page = set(page.rows.tolist())
    nearest = [row for row in np.argsort(-cosines, kind="stable").tolist() if row not in on_page and row != query.row]
    assert [dropped.row for dropped in page.dropped] == nearest[:30]
    for dropped in page.dropped:
        assert dropped.reason == expected_reason(filled_store, query, dropped.row, cosines)
        assert dropped.cosine == pytest.approx(cosines[dropped.row], abs=1e-6)


def test_the_score_is_the_one_that_it_would_have_had(filled_store, live):
    _, page = ask(live, ASKED, RankingPolicy(category_weight=0.3))
    [first, *_] = page.dropped
    assert first.score == pytest.approx(0.7 * first.cosine + 0.3 * first.category_similarity, abs=1e-6)
    outranked = [dropped for dropped in page.dropped if dropped.reason == DropReason.OUTRANKED]
    assert outranked
    assert all(dropped.score <= page.scores[-1] for dropped in outranked)


def test_a_price_ratio_is_told_where_prices_can_be_compared(filled_store, live):
    query, page = ask(live, ASKED, RankingPolicy(max_price_ratio=1.2))
    for dropped in page.dropped:
        price = filled_store.items[dropped.row].price
        if price.currency == query.price.currency:
            amounts = price.amount_minor, query.price.amount_minor
            assert dropped.price_ratio == pytest.approx(max(amounts) / min(amounts))
        else:
            assert dropped.price_ratio is None
    assert {DropReason.OUTSIDE_PRICE_BAND, DropReason.OTHER_CURRENCY} <= set(reasons(live, page).values())


def test_named_items_are_explained_however_far_they_are(live):
    row = live.row_of(f"item-{ASKED:05d}")
    _, page = ask(live, ASKED, RankingPolicy(), explain_dropped=0)
    far = [row, int(page.rows[0]), 2_900]
    named = ask(live, ASKED, RankingPolicy(), explain_dropped=0, explained_rows=np.array(sorted(far)))[1]
    assert {dropped.row for dropped in named.dropped} == {row, 2_900}, "what is on the page needs no explanation"
    assert reasons(live, named)[f"item-{ASKED:05d}"] == DropReason.QUERY_ITEM


def test_an_excluded_item_was_excluded(live):
    _, page = ask(live, ASKED, RankingPolicy())
    best = int(page.rows[0])
    _, without = ask(live, ASKED, RankingPolicy(), excluded_rows=np.array([best]))
    assert reasons(live, without)[live.item_id(best)] == DropReason.EXCLUDED


def test_what_an_index_misses_was_not_reached(live):
    policy = RankingPolicy(max_price_ratio=math.inf, candidates=60)
    _, whole = ask(live, ASKED, policy)
    last = int(next(dropped.row for dropped in whole.dropped[::-1] if dropped.reason == DropReason.OUTRANKED))
    blind = ExactSearch(live.base.embeddings, blind_after=20)
    _, page = ask(live, ASKED, policy, blind, explained_rows=np.array([last]))
    assert reasons(live, page)[live.item_id(last)] == DropReason.NOT_REACHED


def test_an_item_that_changed_is_explained_as_it_stands_now(live):
    query, page = ask(live, ASKED, RankingPolicy())
    row = int(page.rows[0])
    item_id = live.item_id(row)
    columns = live.base
    item = EmbeddedItem(
        item_id, int(columns.prices_minor[row]), "JPY", live.category_path(row), ItemState.ON_SALE, query.vector
    )
    live.apply([ItemChange(item_id, replace(item, state=ItemState.SOLD))])
    _, after = ask(live, ASKED, RankingPolicy())
    assert reasons(live, after)[item_id] == DropReason.NOT_ON_SALE
    assert after.dropped[0].cosine == pytest.approx(1.0, abs=1e-6), "its new embedding is the query's"
    assert row not in {dropped.row for dropped in after.dropped}
