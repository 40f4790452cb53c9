"""A journal whose disk fills up: nothing is acknowledged that is not there."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY
from ruiji_client import Price, ResourceExhaustedError, purchase_event

from tests.drills.small_disk import small_disk

PRICE = Price(amount_minor=900, currency_code="JPY")


async def test_events_are_refused_by_name_and_taken_again_when_there_is_room(keeping, events):
    acknowledged: set[str] = set()
    with small_disk(events.journal, 128 * 1024) as disk:
        async with keeping() as client:
            refused = None
            while refused is None:
                batch = [purchase_event("item", PRICE) for _ in range(100)]
                try:
                    await client.record_events(batch)
                except ResourceExhaustedError as error:
                    refused = error
                else:
                    acknowledged |= {event.event_id for event in batch}
            assert refused.reason == "JOURNAL_FULL"
            assert (await client.similar_items(item_id="item-00042")).items, "pages are served as before"
            disk.resize(1024 * 1024)
            outcomes = (await client.record_events(batch)).outcomes
            acknowledged |= {outcome.event_id for outcome in outcomes}
        found = {event_id for (event_id,) in events.rows("SELECT event_id FROM purchases")}
    assert found == acknowledged


async def test_what_cannot_be_logged_of_the_servers_own_harms_no_answer(keeping, events):
    before = REGISTRY.get_sample_value("ruiji_impressions_dropped_total") or 0.0
    with small_disk(events.journal, 64 * 1024):
        async with keeping(impression_share=1.0) as client:
            for _ in range(60):
                assert (await client.similar_items(item_id="item-00042", page_size=20)).items
    assert (REGISTRY.get_sample_value("ruiji_impressions_dropped_total") or 0.0) > before


@pytest.fixture(autouse=True)
def journal_folder(events):
    """The disk is mounted there before the server makes it."""
    events.root.mkdir(parents=True)
