"""The server's own impressions: what was answered, by what it was ranked, and how long it took."""

from __future__ import annotations

import math

import pytest
from ruiji_client import NotFoundError
from ruiji_events.segments import read_segment


async def test_an_answer_is_logged_with_the_features_behind_each_rank(keeping, events):
    async with keeping(impression_share=1.0) as client:
        answer = await client.similar_items(
            item_id="item-00042", page_size=7, unit_id="nana", max_price_ratio=3.0, category_weight=0.4, explain=True
        )
    [row] = events.rows(
        "SELECT request_id, unit, query_item_id, encoder_id, generation_id, source, max_price_ratio, category_weight, "
        "page_size, exhausted, error, candidates, dropped_by_price, dropped_by_exclusion, dropped_not_recommendable, "
        "items FROM impressions"
    )
    why = answer.explanation
    assert row[:11] == (
        answer.request_id, events.units.hash("nana"), "item-00042", answer.encoder_id, answer.generation_id, "server",
        3.0, 0.4, 7, answer.catalogue_exhausted, None,
    )  # fmt: skip
    assert row[11:15] == (
        why.candidates, why.dropped_by_price, why.dropped_by_exclusion, why.dropped_not_recommendable
    )  # fmt: skip
    logged = [tuple(item.values())[:6] for item in row[15]]
    served = [
        (item.item_id, position, item.score, item.cosine, item.price_ratio, item.category_similarity)
        for position, item in enumerate(answer.items, start=1)
    ]
    assert logged == served


async def test_latency_and_time_are_those_of_the_request(keeping, events):
    async with keeping(impression_share=1.0) as client:
        for number in range(10):
            await client.similar_items(item_id=f"item-{number:05}")
    [(rows, least, ordered)] = events.rows(
        "SELECT count(*), min(latency_us), bool_and(time = received) FROM impressions"
    )
    assert (rows, ordered) == (10, True)
    assert least > 0


async def test_failures_are_logged_with_their_reason(keeping, events):
    async with keeping(impression_share=1.0) as client:
        with pytest.raises(NotFoundError):
            await client.similar_items(item_id="nowhere", page_size=3)
    assert events.rows("SELECT query_item_id, error, page_size, len(items) FROM impressions") == [
        ("nowhere", "ITEM_NOT_FOUND", 3, 0)
    ]


async def test_a_query_without_a_price_has_no_band_and_no_ratios(keeping, events):
    vector = [1.0] + [0.0] * 127
    async with keeping(impression_share=1.0) as client:
        encoder_id = (await client.info()).encoder_id
        await client.similar_items(embedding=vector, encoder_id=encoder_id, page_size=2)
    assert events.rows("SELECT query_item_id, max_price_ratio, items[1].price_ratio FROM impressions") == [
        ("", math.inf, None)
    ]


async def test_a_share_of_none_logs_nothing_and_makes_no_segment(keeping, events):
    async with keeping() as client:
        await client.similar_items(item_id="item-00042")
        assert list(events.journal.iterdir()) == []


async def test_a_share_is_drawn_request_by_request(keeping, events):
    async with keeping(impression_share=0.5) as client:
        for _ in range(200):
            await client.similar_items(item_id="item-00042", page_size=1)
    [(logged,)] = events.rows("SELECT count(*) FROM impressions")
    # Six standard deviations around 100.
    assert 57 <= logged <= 143


async def test_draining_seals_what_was_logged(keeping, events):
    async with keeping(impression_share=1.0) as client:
        await client.similar_items(item_id="item-00042")
    [segment] = events.journal.glob("*.segment")
    assert len(read_segment(segment).lines) == 1
