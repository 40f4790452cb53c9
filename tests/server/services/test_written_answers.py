"""Most requests are answered without a message in the process, and as they would be with one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from prometheus_client import REGISTRY
from ruiji.v1 import recommendation_pb2 as pb
from ruiji_client import AsyncRuijiClient
from ruiji_server.domain.items import ItemState
from ruiji_server.kernels.answering import Answering
from ruiji_server.services import metrics
from ruiji_server.services.recommendation_service import RecommendationService
from ruiji_server.services.settings import ServerSettings, ShadowSettings
from ruiji_server.store.catalogue import CatalogueStore

from tests.support.catalogues import build, fill_store
from tests.support.services import eventually, served

SETTINGS = ServerSettings(
    address="127.0.0.1:0", generation_poll_s=0.05, drain_s=0.0, shadow=ShadowSettings(share=0.0)
)  # fmt: skip


class LongWay:
    """Counts requests that are answered by messages."""

    def __init__(self) -> None:
        self.requests: list[pb.SimilarItemsRequest] = []

    def taken(self) -> int:
        """Return how many came since the last call."""
        count = len(self.requests)
        self.requests.clear()
        return count


@pytest.fixture
def long_way(monkeypatch) -> LongWay:
    seen, answer = LongWay(), RecommendationService._answer

    async def watched(self, request, context, served):
        seen.requests.append(request)
        return await answer(self, request, context, served)

    monkeypatch.setattr(RecommendationService, "_answer", watched)
    return seen


@pytest_asyncio.fixture
async def client(filled_store, generations) -> AsyncIterator[AsyncRuijiClient]:
    async with served(filled_store.database, generations, settings=SETTINGS) as client:
        yield client


ANSWERED_AT_ONCE = {
    "nothing else": {},
    "a page size": {"page_size": 7},
    "a narrower band": {"max_price_ratio": 1.5},
    "another weight": {"category_weight": 0.7},
    "who asks, without experiments": {"unit_id": "user-1", "targeting": {"platform": "ios"}},
    "to embed what is not": {"embed_if_missing": True},
}
ANSWERED_THE_LONG_WAY = {
    "an explanation": {"explain": True},
    "exclusions": {"excluded_item_ids": ["item-00001"]},
    "a currency": {"price_currency": "JPY"},
    "a wider band": {"max_price_ratio": 3.0},
}


@pytest.mark.parametrize("fields", ANSWERED_AT_ONCE.values(), ids=ANSWERED_AT_ONCE)
async def test_most_are_answered_at_once(filled_store, generations, client, long_way, fields, monkeypatch):
    at_once = await client.similar_items(item_id="item-00042", **fields)
    assert long_way.taken() == 0
    monkeypatch.setattr(Answering, "answer", lambda *_: None)
    async with served(filled_store.database, generations, settings=SETTINGS) as other:
        messages = await other.similar_items(item_id="item-00042", **fields)
    assert long_way.taken() == 1
    assert at_once.items
    for answer in (at_once, messages):
        assert len(answer.request_id) == 32
    assert at_once.items == messages.items
    assert (at_once.generation_id, at_once.encoder_id) == (messages.generation_id, messages.encoder_id)


@pytest.mark.parametrize("fields", ANSWERED_THE_LONG_WAY.values(), ids=ANSWERED_THE_LONG_WAY)
async def test_what_takes_more_goes_the_long_way(client, long_way, fields):
    assert (await client.similar_items(item_id="item-00042", **fields)).items
    assert long_way.taken() == 1


async def test_sold_items_are_answered_for_at_once_too(tmp_path, long_way):
    store = fill_store(tmp_path, 300)
    directory, _ = build(store, tmp_path / "generations")
    async with served(store.database, directory, settings=SETTINGS) as client:
        before = [hit.item_id for hit in (await client.similar_items(item_id="item-00042")).items]
        item = next(item for item in store.items if item.item_id == before[0])
        CatalogueStore(store.database).upsert("sold", "", [replace(item, state=ItemState.SOLD, picture=None)])

        async def is_gone() -> bool:
            return before[0] not in [hit.item_id for hit in (await client.similar_items(item_id="item-00042")).items]

        await eventually(is_gone)
        assert (await client.similar_items(item_id=item.item_id)).items
    assert long_way.taken() == 0
    store.database.close()


async def test_a_new_generation_answers_from_then_on(tmp_path, long_way):
    store = fill_store(tmp_path, 300)
    directory, old = build(store, tmp_path / "generations")
    async with served(store.database, directory, settings=SETTINGS) as client:
        assert (await client.similar_items(item_id="item-00042")).generation_id == old.generation_id
        _, new = build(store, tmp_path / "generations")

        async def answers() -> bool:
            return (await client.similar_items(item_id="item-00042")).generation_id == new.generation_id

        await eventually(answers)
    assert long_way.taken() == 0
    store.database.close()


async def test_short_pages_are_counted(client, long_way):
    before = REGISTRY.get_sample_value("ruiji_short_pages_total")
    answer = await client.similar_items(item_id="item-00042", max_price_ratio=1.0, page_size=200)
    assert len(answer.items) < 200
    assert long_way.taken() == 0
    assert REGISTRY.get_sample_value("ruiji_short_pages_total") == before + 1


async def test_every_answer_is_counted_soon(client):
    labels = {"rpc": "SimilarItems", "code": "OK"}
    metrics.flush()
    before = REGISTRY.get_sample_value("ruiji_rpc_seconds_count", labels) or 0.0
    for _ in range(100):
        await client.similar_items(item_id="item-00042")

    async def are_counted() -> bool:
        return REGISTRY.get_sample_value("ruiji_rpc_seconds_count", labels) == before + 100

    await asyncio.wait_for(eventually(are_counted), 5.0)
