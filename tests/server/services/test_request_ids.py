"""Each answer has a name of its own."""

from __future__ import annotations

import time
import uuid

from ruiji_server.services.request_ids import new_request_id

from tests.support.services import served


def test_an_id_is_a_uuid_of_version_7():
    before_ms = time.time_ns() // 1_000_000
    request_id = new_request_id()
    after_ms = time.time_ns() // 1_000_000
    parsed = uuid.UUID(hex=request_id)
    assert (parsed.version, parsed.variant, parsed.hex) == (7, uuid.RFC_4122, request_id)
    assert before_ms <= int(request_id[:12], 16) <= after_ms


def test_ids_differ_even_within_a_millisecond():
    assert len({new_request_id() for _ in range(10_000)}) == 10_000


async def test_the_same_question_asked_twice_gets_two_ids(filled_store, generations):
    async with served(filled_store.database, generations) as client:
        answers = [await client.similar_items(item_id="item-00042") for _ in range(2)]
    assert answers[0].items == answers[1].items
    assert answers[0].request_id != answers[1].request_id
    assert all(len(answer.request_id) == 32 for answer in answers)
