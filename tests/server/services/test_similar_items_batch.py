"""SimilarItemsBatch gives what one call for each would, and stands in nobody's way."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio
from prometheus_client import REGISTRY
from ruiji.v1 import recommendation_pb2, recommendation_pb2_grpc
from ruiji_client import (
    AsyncRuijiClient,
    DeadlineExceededError,
    FailedPreconditionError,
    InvalidArgumentError,
    UnavailableError,
)
from ruiji_server.domain import limits
from ruiji_server.domain.items import ItemState
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.store.catalogue import CatalogueStore

from tests.support.catalogues import ENCODER_ID, an_item, build, embed_all, fill_store
from tests.support.services import served, serving


@pytest_asyncio.fixture
async def client(filled_store, generations) -> AsyncIterator[AsyncRuijiClient]:
    async with served(filled_store.database, generations) as client:
        yield client


@pytest.mark.parametrize(
    "policy",
    [
        {},
        {"page_size": 200},
        {"max_price_ratio": 1.05, "category_weight": 1.0},
        {"price_currency": "USD"},
        {"excluded_item_ids": [f"item-{number:05d}" for number in range(0, 3_000, 40)], "page_size": 7},
    ],
    ids=["plain", "large pages", "narrow band", "other currency", "exclusions"],
)
async def test_each_page_is_that_of_a_call_of_its_own(client, filled_store, policy):
    item_ids = [item.item_id for item in filled_store.items[::7]]
    batch = await client.similar_items_batch(item_ids, **policy)
    assert [outcome.item_id for outcome in batch.outcomes] == item_ids
    for outcome in batch.outcomes:
        alone = await client.similar_items(item_id=outcome.item_id, **policy)
        assert list(outcome.items) == list(alone.items)
        assert outcome.catalogue_exhausted == alone.catalogue_exhausted
        assert (batch.generation_id, batch.encoder_id) == (alone.generation_id, alone.encoder_id)


async def test_an_id_that_stands_twice_is_answered_twice(client):
    first, second = (await client.similar_items_batch(["item-00001", "item-00001"])).outcomes
    assert first == second
    assert len(first.items) == 20


async def test_an_item_that_cannot_be_a_query_does_not_stop_the_others(tmp_path):
    store = fill_store(tmp_path, 100)
    directory, _ = build(store, tmp_path / "generations")
    CatalogueStore(store.database).upsert("late", "0" * 64, [an_item("pending")])
    async with served(store.database, directory) as client:
        answer = await client.similar_items_batch(["item-00001", "nobody", "", "pending", "item-00002"])
    store.database.close()
    assert [(len(outcome.items) > 0, outcome.error.reason) for outcome in answer.outcomes] == [
        (True, ""),
        (False, "ITEM_NOT_FOUND"),
        (False, "ITEM_ID_INVALID"),
        (False, "EMBEDDING_PENDING"),
        (True, ""),
    ]
    assert [outcome.HasField("error") for outcome in answer.outcomes] == [False, True, True, True, False]


async def test_an_item_that_came_after_the_generation_can_be_a_query(tmp_path):
    store = fill_store(tmp_path, 100)
    directory, _ = build(store, tmp_path / "generations")
    twin = next(
        n for n, item in enumerate(store.items) if (item.state, item.price.currency) == (ItemState.ON_SALE, "JPY")
    )
    async with served(store.database, directory) as client:
        CatalogueStore(store.database).upsert("late", "0" * 64, [an_item("late")])
        embed_all(store.database, {"late": store.vectors[twin]})
        [outcome] = (await client.similar_items_batch(["late"], max_price_ratio=math.inf, category_weight=0.0)).outcomes
    store.database.close()
    assert outcome.items[0].item_id == store.items[twin].item_id
    assert outcome.items[0].cosine == pytest.approx(1.0, abs=1e-5)


async def test_a_batch_without_ids_or_with_too_many_is_refused(client):
    for count, reason in ((0, "BATCH_EMPTY"), (limits.MAX_BATCH_QUERIES + 1, "BATCH_TOO_LARGE")):
        with pytest.raises(InvalidArgumentError) as caught:
            await client.similar_items_batch(["item-00001"] * count)
        assert (caught.value.reason, caught.value.field) == (reason, "item_ids")


async def test_info_tells_how_many_queries_a_batch_may_have(client):
    most = (await client.info()).limits.max_batch_queries
    assert most == 500
    assert len((await client.similar_items_batch(["item-00001"] * most, page_size=1)).outcomes) == most


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"page_size": 0}, "page_size"),
        ({"page_size": 201}, "page_size"),
        ({"max_price_ratio": 0.5}, "ranking.max_price_ratio"),
        ({"category_weight": 2.0}, "ranking.category_weight"),
        ({"price_currency": "XXX"}, "ranking.price_currency_code"),
    ],
)
async def test_a_value_out_of_range_fails_the_whole_batch(client, arguments, field):
    with pytest.raises(InvalidArgumentError) as caught:
        await client.similar_items_batch(["item-00001"], **arguments)
    assert caught.value.field == field


async def test_an_encoder_can_be_named_and_must_serve(client):
    assert (await client.similar_items_batch(["item-00001"], encoder_id=ENCODER_ID)).encoder_id == ENCODER_ID
    with pytest.raises(FailedPreconditionError):
        await client.similar_items_batch(["item-00001"], encoder_id="enc-ffffffffffffffff")


async def test_without_a_generation_a_batch_is_unavailable(database, tmp_path):
    async with served(database, GenerationDirectory(tmp_path / "none")) as client:
        with pytest.raises(UnavailableError) as caught:
            await client.similar_items_batch(["item-00001"])
    assert caught.value.reason == "GENERATION_UNAVAILABLE"


async def test_other_calls_are_answered_while_a_batch_is_under_way(filled_store, generations):
    async with (
        serving(filled_store.database, generations) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        stub = recommendation_pb2_grpc.RecommendationServiceStub(channel)
        request = recommendation_pb2.SimilarItemsBatchRequest(item_ids=["item-00042"] * 500, page_size=200)
        batch = asyncio.ensure_future(stub.SimilarItemsBatch(request))
        await asyncio.sleep(0.02)
        answered = 0
        while not batch.done():
            await stub.SimilarItems(recommendation_pb2.SimilarItemsRequest(item_id="item-00007"))
            answered += 1
        await batch
    assert answered > 5


async def test_a_batch_whose_caller_has_left_is_given_up(client):
    before = _cancelled_batches()
    async with asyncio.timeout(60):
        # A batch may be done, or not have begun, when its caller leaves; of several one is under way.
        while _cancelled_batches() == before:
            batch = asyncio.create_task(client.similar_items_batch(["item-00042"] * 500, page_size=200))
            await client.info()
            batch.cancel()
            await asyncio.wait([batch])
            await asyncio.sleep(0.05)


async def test_a_batch_past_its_deadline_fails(client):
    with pytest.raises(DeadlineExceededError):
        await client.similar_items_batch(["item-00042"] * 500, page_size=200, timeout_s=0.01)


def _cancelled_batches() -> float:
    labels = {"rpc": "SimilarItemsBatch", "code": "CANCELLED"}
    return REGISTRY.get_sample_value("ruiji_rpc_seconds_count", labels) or 0.0
