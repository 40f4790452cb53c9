"""SimilarItems as a backend engineer meets it: a real server, a real socket, the published client."""

from __future__ import annotations

import asyncio
import io
import math
from collections.abc import AsyncIterator

import grpc
import numpy as np
import pytest
import pytest_asyncio
from PIL import Image
from ruiji.v1 import common_pb2, recommendation_pb2, recommendation_pb2_grpc
from ruiji_client import (
    AsyncRuijiClient,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
    RuijiClientError,
    UnavailableError,
)
from ruiji_server.domain.items import ItemState
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.ranking.policy import RankingPolicy
from ruiji_server.services.server import ServerSettings
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.embedding_tasks import EmbeddingTaskStore, FailedTask, FinishedTask

from tests.support.catalogues import ENCODER_ID, an_item, fill_store, png
from tests.support.catalogues import build as build_generation
from tests.support.reference_ranking import wanted_page
from tests.support.services import refused, served, serving


@pytest_asyncio.fixture
async def client(filled_store, generations) -> AsyncIterator[AsyncRuijiClient]:
    async with served(filled_store.database, generations) as client:
        yield client


@pytest_asyncio.fixture
async def stub(filled_store, generations) -> AsyncIterator[recommendation_pb2_grpc.RecommendationServiceStub]:
    """The generated stub, for what the typed client would not send."""
    async with (
        serving(filled_store.database, generations) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        yield recommendation_pb2_grpc.RecommendationServiceStub(channel)


async def test_a_page_is_what_ranking_wants(client, filled_store):
    item, vector = filled_store.items[42], filled_store.vectors[42]
    answer = await client.similar_items(item_id=item.item_id, page_size=20)
    expected, _ = wanted_page(
        filled_store.items, filled_store.vectors, vector,
        page_size=20, policy=RankingPolicy(), price=item.price, category_path=item.category_path,
        excluded={item.item_id},
    )  # fmt: skip
    found = [hit.item_id for hit in answer.items]
    assert len(found) == 20
    assert len(set(found) & set(expected)) >= 19
    assert not answer.catalogue_exhausted


async def test_an_answer_says_which_generation_and_encoder_gave_it(client, generations):
    answer = await client.similar_items(item_id="item-00042")
    assert answer.generation_id == generations.current_id()
    assert answer.encoder_id == ENCODER_ID


async def test_every_item_of_a_page_carries_its_numbers(client):
    answer = await client.similar_items(item_id="item-00042", category_weight=0.3, max_price_ratio=1.5)
    for hit in answer.items:
        assert hit.score == pytest.approx(0.7 * hit.cosine + 0.3 * hit.category_similarity, abs=1e-5)
        assert 1.0 <= hit.price_ratio <= 1.5
    assert list(answer.items) == sorted(answer.items, key=lambda hit: (-hit.score, hit.item_id))


async def test_the_page_size_is_20_unless_said(client):
    assert len((await client.similar_items(item_id="item-00042")).items) == 20


@pytest.mark.parametrize("page_size", [1, 200])
async def test_the_page_size_may_be_1_to_200(client, page_size):
    answer = await client.similar_items(item_id="item-00042", page_size=page_size, max_price_ratio=math.inf)
    assert len(answer.items) == page_size


async def test_excluded_items_do_not_come_and_unknown_ones_do_no_harm(client):
    first = [hit.item_id for hit in (await client.similar_items(item_id="item-00042")).items]
    second = await client.similar_items(item_id="item-00042", excluded_item_ids=[*first, "nobody"])
    assert len(second.items) == 20
    assert not set(first) & {hit.item_id for hit in second.items}


async def test_an_exhausted_catalogue_is_said(client):
    answer = await client.similar_items(item_id="item-00042", max_price_ratio=1.0, page_size=200)
    assert len(answer.items) < 200
    assert answer.catalogue_exhausted


async def test_an_embedding_query_finds_its_item(client, filled_store):
    position = next(n for n, item in enumerate(filled_store.items) if item.state == ItemState.ON_SALE)
    answer = await client.similar_items(
        embedding=(filled_store.vectors[position] * 3.0).tolist(), encoder_id=ENCODER_ID
    )
    assert answer.items[0].item_id == filled_store.items[position].item_id
    assert answer.items[0].cosine == pytest.approx(1.0, abs=1e-5)
    assert not answer.items[0].HasField("price_ratio")
    assert not answer.items[0].HasField("category_similarity")


async def test_explain_accounts_for_every_candidate(client):
    answer = await client.similar_items(item_id="item-00042", explain=True)
    how = answer.explanation
    dropped = how.dropped_not_recommendable + how.dropped_by_price + how.dropped_by_exclusion
    assert how.candidates - dropped >= 20
    assert how.max_price_ratio == 2.0
    assert how.category_weight == pytest.approx(0.2)
    assert not (await client.similar_items(item_id="item-00042")).HasField("explanation")


async def test_info_says_what_serves(client, generations):
    info = await client.info()
    assert info.encoder_id == ENCODER_ID
    assert info.dimensions == 128
    assert info.generation.generation_id == generations.current_id()
    assert info.generation.items == 3_000
    assert info.generation.recall_at_20 >= 0.95
    assert info.limits.max_page_size == 200
    assert info.ranking_policy.candidates == 100


NAN_VECTOR = [math.nan] + [0.0] * 127
PRICE = common_pb2.Price(amount_minor=100, currency_code="JPY")


def picture_query(content: bytes, **context) -> dict:
    return {"picture": recommendation_pb2.PictureQuery(content=content, context=context)}


def embedding_query(values, encoder_id=ENCODER_ID, **context) -> dict:
    query = recommendation_pb2.EmbeddingQuery(values=values, encoder_id=encoder_id, context=context)
    return {"embedding": query}


UNIT = [1.0] + [0.0] * 127
BAD_REQUESTS = {
    "no query": ({}, "QUERY_MISSING", "query"),
    "empty id": ({"item_id": ""}, "ITEM_ID_INVALID", "item_id"),
    "over-long id": ({"item_id": "靴" * 43}, "ITEM_ID_INVALID", "item_id"),
    "control character": ({"item_id": "a\nb"}, "ITEM_ID_INVALID", "item_id"),
    "page of none": ({"item_id": "a", "page_size": 0}, "PAGE_SIZE_OUT_OF_RANGE", "page_size"),
    "page too large": ({"item_id": "a", "page_size": 201}, "PAGE_SIZE_OUT_OF_RANGE", "page_size"),
    "page negative": ({"item_id": "a", "page_size": -1}, "PAGE_SIZE_OUT_OF_RANGE", "page_size"),
    "too few values": (embedding_query([1.0] * 127), "EMBEDDING_DIMENSIONS", "embedding.values"),
    "NaN": (embedding_query(NAN_VECTOR), "EMBEDDING_NOT_FINITE", "embedding.values"),
    "infinity": (embedding_query([math.inf] * 128), "EMBEDDING_NOT_FINITE", "embedding.values"),
    "zero vector": (embedding_query([0.0] * 128), "EMBEDDING_ZERO", "embedding.values"),
    "no price": (
        embedding_query(UNIT, price=common_pb2.Price(amount_minor=0, currency_code="JPY")),
        "PRICE_OUT_OF_RANGE", "embedding.context.price.amount_minor",
    ),
    "negative price": (
        picture_query(b"", price=common_pb2.Price(amount_minor=-5, currency_code="JPY")),
        "PRICE_OUT_OF_RANGE", "picture.context.price.amount_minor",
    ),
    "unknown currency": (
        embedding_query(UNIT, price=common_pb2.Price(amount_minor=5, currency_code="jpy")),
        "CURRENCY_UNKNOWN", "embedding.context.price.currency_code",
    ),
    "empty category name": (
        embedding_query(UNIT, category_path=["Fashion", ""]),
        "CATEGORY_PATH_INVALID", "embedding.context.category_path[1]",
    ),
    "ratio below 1": (
        {"item_id": "a", "ranking": {"max_price_ratio": 0.5}}, "PRICE_RATIO_OUT_OF_RANGE", "ranking.max_price_ratio",
    ),
    "ratio NaN": (
        {"item_id": "a", "ranking": {"max_price_ratio": math.nan}},
        "PRICE_RATIO_OUT_OF_RANGE", "ranking.max_price_ratio",
    ),
    "weight above 1": (
        {"item_id": "a", "ranking": {"category_weight": 1.5}},
        "CATEGORY_WEIGHT_OUT_OF_RANGE", "ranking.category_weight",
    ),
    "override currency": (
        {"item_id": "a", "ranking": {"price_currency_code": "XXX"}}, "CURRENCY_UNKNOWN", "ranking.price_currency_code",
    ),
    "too many exclusions": (
        {"item_id": "a", "ranking": {"excluded_item_ids": ["x"] * 1_001}},
        "TOO_MANY_EXCLUDED_ITEMS", "ranking.excluded_item_ids",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "reason", "field"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
async def test_a_bad_request_names_its_field(stub, fields, reason, field):
    error = await refused(stub.SimilarItems(recommendation_pb2.SimilarItemsRequest(**fields)))
    assert (error.code, error.reason, error.field) == ("INVALID_ARGUMENT", reason, field)


async def test_what_is_no_message_is_refused(filled_store, generations):
    async with (
        serving(filled_store.database, generations) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        call = channel.unary_unary("/ruiji.v1.RecommendationService/SimilarItems")
        error = await refused(call(b"\x0a\x7fcut off"))
    assert (error.code, error.reason) == ("INVALID_ARGUMENT", "REQUEST_UNREADABLE")


async def test_an_unknown_item_is_not_found(client):
    with pytest.raises(NotFoundError) as caught:
        await client.similar_items(item_id="nobody")
    assert caught.value.reason == "ITEM_NOT_FOUND"


async def test_an_embedding_of_another_encoder_is_refused(stub):
    query = embedding_query(UNIT, encoder_id="enc-ffffffffffffffff")
    error = await refused(stub.SimilarItems(recommendation_pb2.SimilarItemsRequest(**query)))
    assert (error.code, error.reason) == ("FAILED_PRECONDITION", "ENCODER_MISMATCH")


async def test_without_triton_pictures_are_refused_and_ids_are_answered(client):
    with pytest.raises(UnavailableError) as caught:
        await client.similar_items(picture=png())
    assert caught.value.reason == "ENCODER_UNAVAILABLE"
    assert (await client.similar_items(item_id="item-00042")).items


async def test_with_triton_away_pictures_are_refused_and_ids_are_answered(filled_store, generations):
    async with served(filled_store.database, generations, triton_url="127.0.0.1:1") as client:
        with pytest.raises(UnavailableError) as caught:
            await client.similar_items(picture=png())
        assert caught.value.reason == "ENCODER_UNAVAILABLE"
        assert (await client.similar_items(item_id="item-00042")).items


def huge_png() -> bytes:
    file = io.BytesIO()
    Image.new("1", (10_000, 5_001)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "PICTURE_UNREADABLE"),
        (b"<html>404</html>", "PICTURE_UNREADABLE"),
        (png((1, 2, 3), (600, 600))[:120], "PICTURE_UNREADABLE"),
        (huge_png(), "PICTURE_TOO_MANY_PIXELS"),
        (b"\xff\xd8" + bytes(20_000_000), "PICTURE_TOO_LARGE"),
    ],
    ids=["empty", "a web page", "cut short", "50 megapixels", "20 MB"],
)
async def test_a_picture_that_is_none_is_refused(filled_store, generations, content, reason):
    async with served(filled_store.database, generations, triton_url="127.0.0.1:1") as client:
        with pytest.raises(InvalidArgumentError) as caught:
            await client.similar_items(picture=content)
    assert (caught.value.reason, caught.value.field) == (reason, "picture.content")


async def test_before_the_first_generation_the_server_says_so_and_then_picks_it_up(tmp_path):
    store = fill_store(tmp_path, 60)
    directory = GenerationDirectory(tmp_path / "generations")
    async with served(store.database, directory) as client:
        with pytest.raises(UnavailableError) as caught:
            await client.similar_items(item_id="item-00001")
        assert caught.value.reason == "GENERATION_UNAVAILABLE"
        assert (await client.info()).encoder_id == ""
        _, manifest = build_generation(store, directory.root)
        answer = await answered(client, "item-00001")
        assert answer.generation_id == manifest.generation_id
    store.database.close()


async def test_items_that_came_after_the_generation_are_answered_for_or_say_why_not(tmp_path):
    store = fill_store(tmp_path, 60)
    directory, _ = build_generation(store, tmp_path / "generations")
    catalogue, tasks = CatalogueStore(store.database), EmbeddingTaskStore(store.database, ENCODER_ID)
    async with served(store.database, directory) as client:
        catalogue.upsert("late", "", [an_item("late")])
        with pytest.raises(FailedPreconditionError) as caught:
            await client.similar_items(item_id="late")
        assert caught.value.reason == "EMBEDDING_PENDING"

        [task] = tasks.claim(1, 60.0)
        tasks.fail([FailedTask("late", task.picture_sha256, "PICTURE_UNREADABLE", "not a picture", None)])
        with pytest.raises(FailedPreconditionError, match="not a picture") as caught:
            await client.similar_items(item_id="late")
        assert caught.value.reason == "EMBEDDING_FAILED"

        tasks.unpark()
        [task] = tasks.claim(1, 60.0)
        twin = next(n for n, item in enumerate(store.items) if item.price.currency == "JPY" and item.state == 1)
        tasks.finish([FinishedTask("late", task.picture_sha256, store.vectors[twin])])
        answer = await client.similar_items(item_id="late", max_price_ratio=math.inf, category_weight=0.0)
        assert answer.items[0].item_id == store.items[twin].item_id
    store.database.close()


async def test_a_fault_inside_stays_inside(filled_store, generations, caplog, monkeypatch):
    from ruiji_server.kernels.answering import Answering

    def break_down(*_):
        raise ZeroDivisionError("secret path /etc/passwd")

    monkeypatch.setattr(Answering, "answer", break_down)
    async with served(filled_store.database, generations) as client:
        with pytest.raises(RuijiClientError) as caught:
            await client.similar_items(item_id="item-00042")
    assert caught.value.reason == "INTERNAL"
    assert "secret" not in str(caught.value)
    assert "secret path" in caplog.text


async def test_an_embedding_counts_by_its_direction_alone(client, filled_store):
    vector = filled_store.vectors[5].astype(np.float64)
    pages = [
        await client.similar_items(embedding=(vector * length).tolist(), encoder_id=ENCODER_ID)
        for length in (1e-30, 1.0, 1e30)
    ]
    orders = [[hit.item_id for hit in page.items] for page in pages]
    assert orders[0] == orders[1] == orders[2]


async def test_an_overloaded_server_says_so_and_answers_the_others(filled_store, generations):
    settings = ServerSettings(address="127.0.0.1:0", drain_s=0.0, max_concurrent_rpcs=20)
    async with served(filled_store.database, generations, settings=settings) as client:
        calls = (client.similar_items(item_id="item-00042", timeout_s=30.0) for _ in range(300))
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    refused_calls = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert {type(outcome) for outcome in refused_calls} <= {ResourceExhaustedError}
    assert len(refused_calls) < 300


async def answered(client: AsyncRuijiClient, item_id: str):
    for _ in range(200):
        try:
            return await client.similar_items(item_id=item_id)
        except UnavailableError:
            await asyncio.sleep(0.05)
    raise AssertionError("the generation was not picked up")
