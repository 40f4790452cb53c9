"""Events are made of what a caller has at hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from ruiji.v1.recommendation_pb2 import VariantAssignment
from ruiji_client import Price, SimilarItem, SimilarItemsResponse, impression_event, purchase_event, tap_event

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ANSWER = SimilarItemsResponse(
    items=[
        SimilarItem(item_id="a", score=0.9, cosine=0.8, price_ratio=1.5, category_similarity=1.0),
        SimilarItem(item_id="b", score=0.7, cosine=0.7),
        SimilarItem(item_id="c", score=0.5, cosine=0.5),
    ],
    generation_id="g",
    encoder_id="e",
    catalogue_exhausted=True,
    request_id="r",
    variants=[VariantAssignment(experiment="x", variant="treatment")],
)


def test_an_impression_has_what_the_answer_said() -> None:
    event = impression_event(ANSWER, query_item_id="q", unit_id="u", page_size=20, time=NOON)
    page = event.impression
    assert (event.request_id, event.unit_id, event.time.ToDatetime(UTC)) == ("r", "u", NOON)
    assert (page.query_item_id, page.encoder_id, page.generation_id) == ("q", "e", "g")
    assert (page.page_size, page.catalogue_exhausted) == (20, True)
    assert [(item.item_id, item.position) for item in page.items] == [("a", 1), ("b", 2), ("c", 3)]
    assert page.items[0].cosine == pytest.approx(0.8)
    assert not page.items[1].HasField("price_ratio")
    assert page.variants == ANSWER.variants


def test_only_what_was_on_the_screen_is_an_impression_and_keeps_its_positions() -> None:
    event = impression_event(ANSWER, first=2, last=2)
    assert [(item.item_id, item.position) for item in event.impression.items] == [("b", 2)]


def test_each_event_gets_an_id_of_its_own_unless_the_caller_has_one() -> None:
    assert tap_event("r", "a").event_id != tap_event("r", "a").event_id
    assert tap_event("r", "a", event_id="mine").event_id == "mine"


def test_a_time_in_any_zone_is_the_same_moment() -> None:
    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    assert tap_event("r", "a", time=tokyo).time == tap_event("r", "a", time=NOON).time


def test_a_time_without_a_zone_is_refused_here_as_the_server_could_not_tell() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        tap_event("r", "a", time=datetime(2026, 11, 20, 12))


def test_a_purchase_needs_no_request() -> None:
    event = purchase_event("a", Price(amount_minor=1200, currency_code="JPY"), unit_id="u")
    assert event.request_id == ""
    assert event.purchase.price.amount_minor == 1200
