"""`EventService` over a socket: an outcome for each event, durable before it is given."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from ruiji_client import (
    Event,
    EventOutcome,
    FailedPreconditionError,
    InvalidArgumentError,
    Price,
    impression_event,
    purchase_event,
    tap_event,
)

from tests.support.services import served

ACCEPTED, DUPLICATE, REJECTED = (
    EventOutcome.KIND_ACCEPTED,
    EventOutcome.KIND_DUPLICATE,
    EventOutcome.KIND_REJECTED,
)


async def test_what_was_seen_tapped_and_bought_is_in_the_partitions_with_its_features(keeping, events):
    async with keeping() as client:
        answer = await client.similar_items(item_id="item-00042", page_size=5, unit_id="nana")
        third = answer.items[2]
        recorded = await client.record_events(
            [
                impression_event(answer, query_item_id="item-00042", unit_id="nana", page_size=5),
                tap_event(answer.request_id, third.item_id, position=3, unit_id="nana"),
                purchase_event(third.item_id, Price(amount_minor=900, currency_code="JPY"), unit_id="nana"),
            ]
        )
    assert [outcome.kind for outcome in recorded.outcomes] == [ACCEPTED] * 3
    [(items, unit, source)] = events.rows("SELECT items, unit, source FROM impressions")
    assert [item["item_id"] for item in items] == [item.item_id for item in answer.items]
    assert [item["position"] for item in items] == [1, 2, 3, 4, 5]
    assert [item["cosine"] for item in items] == [item.cosine for item in answer.items]
    assert (unit, source) == (events.units.hash("nana"), "client")
    assert events.rows("SELECT request_id, item_id, position FROM taps") == [(answer.request_id, third.item_id, 3)]
    assert events.rows("SELECT item_id, amount_minor, currency_code, request_id FROM purchases") == [
        (third.item_id, 900, "JPY", None)
    ]


async def test_the_id_of_a_unit_is_nowhere_on_the_disk(keeping, events):
    async with keeping(impression_share=1.0) as client:
        answer = await client.similar_items(item_id="item-00042", unit_id="nana.k@example.org")
        await client.record_events([tap_event(answer.request_id, "item-00001", unit_id="nana.k@example.org")])
        files = [path.read_bytes() for path in events.journal.iterdir() if path.is_file()]
    assert any(events.units.hash("nana.k@example.org").encode() in content for content in files)
    assert not any(b"nana.k" in content for content in files)


async def test_an_event_that_is_sent_again_is_said_to_be_a_duplicate_and_counts_once(keeping, events):
    tap = tap_event("some-request", "item-00001")
    async with keeping() as client:
        kinds = [
            outcome.kind
            for batch in ([tap], [tap], [tap, tap])
            for outcome in (await client.record_events(batch)).outcomes
        ]
    assert kinds == [ACCEPTED, DUPLICATE, DUPLICATE, DUPLICATE]
    assert events.rows("SELECT count(*) FROM unknown") == [(1,)]


async def test_the_same_batch_to_two_processes_counts_once(keeping, events):
    batch = [tap_event("some-request", f"item-{number:05}") for number in range(20)]
    async with keeping() as one, keeping() as other:
        answers = await asyncio.gather(one.record_events(batch), other.record_events(batch))
        assert all(outcome.kind == ACCEPTED for answer in answers for outcome in answer.outcomes)
        compacted = events.compact()
    assert compacted.duplicates == 20
    assert events.rows("SELECT count(*), count(DISTINCT event_id) FROM unknown") == [(20, 20)]


async def test_taps_of_requests_that_nobody_logged_are_kept_apart_until_the_impression_comes(keeping, events):
    async with keeping() as client:
        answer = await client.similar_items(item_id="item-00042", page_size=2)
        await client.record_events([tap_event(answer.request_id, answer.items[0].item_id)])
        assert events.rows("SELECT kind, request_id FROM unknown") == [("taps", answer.request_id)]
        assert events.rows("SELECT * FROM taps") == []
        await client.record_events([impression_event(answer, query_item_id="item-00042")])
        assert events.rows("SELECT request_id FROM taps") == [(answer.request_id,)]
        assert events.rows("SELECT * FROM unknown") == []


async def test_a_slightly_fast_clock_is_taken_for_now_and_a_wrong_one_is_rejected(keeping, events):
    now = datetime.now(UTC)
    batch = [
        tap_event("r", "a", time=now + timedelta(seconds=100)),
        tap_event("r", "b", time=now + timedelta(hours=1)),
        tap_event("r", "c", time=now - timedelta(days=8)),
        tap_event("r", "d", time=now - timedelta(days=6)),
    ]
    async with keeping() as client:
        outcomes = (await client.record_events(batch)).outcomes
    assert [outcome.kind for outcome in outcomes] == [ACCEPTED, REJECTED, REJECTED, ACCEPTED]
    assert [outcome.error.reason for outcome in outcomes[1:3]] == ["EVENT_FROM_FUTURE", "EVENT_TOO_OLD"]
    assert [outcome.error.field for outcome in outcomes[1:3]] == ["time", "time"]
    rows = dict(events.rows("SELECT item_id, time = received FROM unknown"))
    assert rows == {"a": True, "d": False}


def edited(event: Event, **changes: object) -> Event:
    for name, value in changes.items():
        setattr(event, name, value)
    return event


def a_page(**changes: object) -> Event:
    event = Event(event_id="e", request_id="r")
    event.time.GetCurrentTime()
    event.impression.items.add(item_id="a", position=1)
    event.impression.items.add(item_id="b", position=2)
    for name, value in changes.items():
        setattr(event.impression.items[0], name, value)
    return event


BREACHES = [
    (edited(tap_event("r", "a"), event_id=""), "EVENT_ID_INVALID", "event_id"),
    (edited(tap_event("r", "a"), event_id="x" * 65), "EVENT_ID_INVALID", "event_id"),
    (tap_event("", "a"), "REQUEST_ID_INVALID", "request_id"),
    (tap_event("r", ""), "ITEM_ID_INVALID", "tap.item_id"),
    (tap_event("r", "a\n"), "ITEM_ID_INVALID", "tap.item_id"),
    (tap_event("r", "a", position=0), "POSITION_INVALID", "tap.position"),
    (tap_event("r", "a", unit_id="x" * 129), "UNIT_ID_INVALID", "unit_id"),
    (purchase_event("a", Price(amount_minor=0, currency_code="JPY")), "PRICE_OUT_OF_RANGE", "purchase.price"),
    (purchase_event("a", Price(amount_minor=1, currency_code="yen")), "CURRENCY_UNKNOWN", "purchase.price"),
    (Event(event_id="e", request_id="r"), "EVENT_TIME_MISSING", "time"),
    (a_page(item_id="b"), "IMPRESSION_INVALID", "impression.items"),
    (a_page(position=2), "IMPRESSION_INVALID", "impression.items"),
    (a_page(position=0), "POSITION_INVALID", "impression.items[0].position"),
    (a_page(propensity=1.5), "EVENT_VALUE_INVALID", "impression.items[0].propensity"),
    (a_page(propensity=0.0), "EVENT_VALUE_INVALID", "impression.items[0].propensity"),
    (a_page(score=math.nan), "EVENT_VALUE_INVALID", "impression.items[0].score"),
    (Event(event_id="e", request_id="r", time=Timestamp(seconds=1)), "EVENT_KIND_MISSING", "event"),
]


async def test_events_that_break_the_contract_are_rejected_by_name_and_stop_no_other(keeping, events):
    batch = [event for event, _, _ in BREACHES]
    async with keeping() as client:
        outcomes = (await client.record_events([*batch, tap_event("r", "good")])).outcomes
    assert [outcome.kind for outcome in outcomes] == [REJECTED] * len(batch) + [ACCEPTED]
    for outcome, (event, reason, field) in zip(outcomes, BREACHES, strict=False):
        assert outcome.event_id == event.event_id
        assert outcome.error.reason == reason
        assert outcome.error.field.startswith(field), outcome.error
    assert events.rows("SELECT item_id FROM unknown UNION ALL SELECT query_item_id FROM impressions") == [("good",)]


async def test_a_batch_has_one_to_a_thousand_events(keeping):
    async with keeping() as client:
        most = (await client.info()).limits.max_batch_events
        assert most == 1_000
        for batch, reason in (([], "BATCH_EMPTY"), ([tap_event("r", "a")] * (most + 1), "BATCH_TOO_LARGE")):
            with pytest.raises(InvalidArgumentError) as failure:
                await client.record_events(batch)
            assert failure.value.reason == reason
        assert len((await client.record_events([tap_event("r", "a") for _ in range(most)])).outcomes) == most


async def test_a_server_without_a_place_for_events_says_so(filled_store, generations):
    async with served(filled_store.database, generations) as client:
        with pytest.raises(FailedPreconditionError, match="--events") as failure:
            await client.record_events([tap_event("r", "a")])
    assert failure.value.reason == "EVENTS_NOT_KEPT"
