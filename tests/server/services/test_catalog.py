"""CatalogService as a backend engineer meets it, and the server around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from ruiji.v1 import catalog_pb2, catalog_pb2_grpc
from ruiji_client import (
    AsyncRuijiClient,
    ClientSettings,
    EmbeddingStatus,
    InvalidArgumentError,
    Item,
    NotFoundError,
    Price,
    UnauthenticatedError,
    UpsertOutcome,
)
from ruiji_server.domain.errors import STATUS_NAMES, ExperimentNotFound, ItemNotFound, Reason, RuijiError
from ruiji_server.embedding.picture_source import PictureSource
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.services.failures import status_code
from ruiji_server.services.server import ServerSettings
from ruiji_server.store.embedding_tasks import EmbeddingTaskStore

from tests.support.catalogues import ENCODER_ID, png
from tests.support.services import refused, served, serving

FREE_PORT = ServerSettings(address="127.0.0.1:0", drain_s=0.0)


@pytest_asyncio.fixture
async def client(database, tmp_path) -> AsyncIterator[AsyncRuijiClient]:
    async with served(database, GenerationDirectory(tmp_path / "g"), pictures=PictureSource(tmp_path)) as client:
        yield client


def listing(item_id: str = "a", **changes) -> Item:
    fields = {
        "title": "Red shoe",
        "price": Price(amount_minor=1_000, currency_code="JPY"),
        "category_path": ["Fashion", "Shoes"],
        "picture_content": png(),
    }
    return Item(item_id=item_id, **{**fields, **changes})


async def test_an_upserted_item_reads_back(client):
    await client.upsert_items([listing()])
    stored = await client.get_item("a", include_picture=True)
    expected = listing(state=catalog_pb2.ITEM_STATE_ON_SALE)
    assert stored.item == expected
    assert not (await client.get_item("a")).item.HasField("picture_content")


async def test_a_retried_batch_is_applied_once(client):
    first = await client.upsert_items([listing()], request_id="batch-1")
    await client.upsert_items([listing(title="Newer")])
    again = await client.upsert_items([listing()], request_id="batch-1")
    assert again.replayed
    assert not first.replayed
    assert again.outcomes == first.outcomes
    assert (await client.get_item("a")).item.title == "Newer"


async def test_a_request_id_is_one_batchs(client):
    await client.upsert_items([listing("a")], request_id="batch-1")
    with pytest.raises(InvalidArgumentError) as caught:
        await client.upsert_items([listing("b")], request_id="batch-1")
    assert caught.value.reason == "REQUEST_ID_REUSED"


REJECTED = {
    "no price": ({"price": None}, "PRICE_MISSING", "price"),
    "price 0": ({"price": Price(amount_minor=0, currency_code="JPY")}, "PRICE_OUT_OF_RANGE", "price.amount_minor"),
    "price -1": ({"price": Price(amount_minor=-1, currency_code="JPY")}, "PRICE_OUT_OF_RANGE", "price.amount_minor"),
    "currency": ({"price": Price(amount_minor=1, currency_code="XYZ")}, "CURRENCY_UNKNOWN", "price.currency_code"),
    "no category": ({"category_path": []}, "CATEGORY_PATH_INVALID", "category_path"),
    "17 levels": ({"category_path": ["x"] * 17}, "CATEGORY_PATH_INVALID", "category_path"),
    "empty name": ({"category_path": ["x", ""]}, "CATEGORY_PATH_INVALID", "category_path[1]"),
    "title": ({"title": "x" * 1_001}, "TITLE_TOO_LONG", "title"),
    "NUL in title": ({"title": "a\0b"}, "TITLE_INVALID", "title"),
    "NUL in category": ({"category_path": ["a\0b"]}, "CATEGORY_PATH_INVALID", "category_path[0]"),
    "NUL in uri": ({"picture_uri": "file:///a%00b"}, "PICTURE_URI_INVALID", "picture_uri"),
    "state": ({"state": 9}, "ITEM_STATE_INVALID", "state"),
    "picture": ({"picture_content": b"<html>"}, "PICTURE_UNREADABLE", "picture_content"),
    "no picture": ({"picture_content": None}, "PICTURE_MISSING", "picture_content"),
    "picture uri": ({"picture_uri": "http://example.com/a.jpg"}, "PICTURE_URI_INVALID", "picture_uri"),
    "outside": ({"picture_uri": "file:///etc/passwd"}, "PICTURE_URI_INVALID", "picture_uri"),
}


@pytest.mark.parametrize(("changes", "reason", "field"), REJECTED.values(), ids=REJECTED)
async def test_a_bad_item_is_rejected_by_field_and_does_not_stop_the_others(client, changes, reason, field):
    answer = await client.upsert_items([listing("bad", **changes), listing("good")])
    bad, good = answer.outcomes
    assert (bad.item_id, bad.kind) == ("bad", UpsertOutcome.KIND_REJECTED)
    assert (bad.error.reason, bad.error.field) == (reason, field)
    assert good.kind == UpsertOutcome.KIND_CREATED
    with pytest.raises(NotFoundError):
        await client.get_item("bad")


@pytest.mark.parametrize("item_id", ["", "x" * 129, "a\tb"])
async def test_a_bad_id_is_rejected(client, item_id):
    [outcome] = (await client.upsert_items([listing(item_id)])).outcomes
    assert (outcome.error.reason, outcome.error.field) == ("ITEM_ID_INVALID", "item_id")


async def test_an_id_that_stands_twice_is_rejected_both_times(client):
    answer = await client.upsert_items([listing("a"), listing("b"), listing("a", title="other")])
    assert [outcome.error.reason for outcome in answer.outcomes] == ["DUPLICATE_ITEM_ID", "", "DUPLICATE_ITEM_ID"]


async def test_a_picture_below_the_allowed_folder_may_be_referred_to(client, tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    uri = (tmp_path / "a.png").as_uri()
    await client.upsert_items([listing(picture_uri=uri)])
    assert (await client.get_item("a")).item.picture_uri == uri


async def test_deleting_says_what_was_there_and_can_be_repeated(client):
    await client.upsert_items([listing("a")])
    assert list((await client.delete_items(["a", "nobody"])).deleted) == [True, False]
    assert list((await client.delete_items(["a", "nobody"])).deleted) == [False, False]
    with pytest.raises(NotFoundError):
        await client.get_item("a")


async def test_get_item_says_how_far_each_encoder_is(client, database):
    EmbeddingTaskStore(database, ENCODER_ID).register_encoder("formula", 128)
    await client.upsert_items([listing()])
    [status] = (await client.get_item("a")).embeddings
    assert (status.encoder_id, status.stage) == (ENCODER_ID, EmbeddingStatus.STAGE_PENDING)


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"items": [listing()]}, "REQUEST_ID_INVALID", "request_id"),
        ({"request_id": "x" * 65, "items": [listing()]}, "REQUEST_ID_INVALID", "request_id"),
        ({"request_id": "a\0b", "items": [listing()]}, "REQUEST_ID_INVALID", "request_id"),
        ({"request_id": "r"}, "BATCH_EMPTY", "items"),
        ({"request_id": "r", "items": [Item(item_id="a")] * 501}, "BATCH_TOO_LARGE", "items"),
    ],
)
async def test_a_bad_batch_is_refused_whole(database, tmp_path, fields, reason, field):
    async with (
        serving(database, GenerationDirectory(tmp_path / "g")) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        stub = catalog_pb2_grpc.CatalogServiceStub(channel)
        error = await refused(stub.UpsertItems(catalog_pb2.UpsertItemsRequest(**fields)))
    assert (error.code, error.reason, error.field) == ("INVALID_ARGUMENT", reason, field)


def errors(kind: type[RuijiError] = RuijiError) -> list[type[RuijiError]]:
    return [leaf for child in kind.__subclasses__() for leaf in [child, *errors(child)]]


def test_every_domain_error_has_its_status():
    assert set(errors()) == set(STATUS_NAMES)
    for kind in STATUS_NAMES:
        error = kind("some-name") if kind in {ItemNotFound, ExperimentNotFound} else kind(Reason.STORE_FULL, "message")
        assert status_code(error).name == STATUS_NAMES[kind]


async def test_health_follows_what_can_be_answered(database, tmp_path, filled_store, generations):
    async def health(server, service: str) -> int:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            request = health_pb2.HealthCheckRequest(service=service)
            return (await health_pb2_grpc.HealthStub(channel).Check(request)).status

    serving_now, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
    async with serving(database, GenerationDirectory(tmp_path / "empty")) as server:
        assert await health(server, "ruiji.v1.CatalogService") == serving_now
        assert await health(server, "ruiji.v1.RecommendationService") == not_serving
        assert await health(server, "") == not_serving
    async with serving(filled_store.database, generations) as server:
        assert await health(server, "ruiji.v1.RecommendationService") == serving_now


async def test_a_generation_of_another_store_is_not_served(database, generations, caplog):
    async with serving(database, generations) as server, AsyncRuijiClient(f"127.0.0.1:{server.port}") as client:
        assert not (await client.info()).HasField("generation")
    assert "cannot be served" in caplog.text


async def test_reflection_lists_the_services(database, generations):
    async with (
        serving(database, generations) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(
            iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        )
        names = {service.name async for answer in call for service in answer.list_services_response.service}
    assert {"ruiji.v1.RecommendationService", "ruiji.v1.CatalogService", "grpc.health.v1.Health"} <= names


async def test_a_server_with_a_token_lets_only_those_in_who_know_it(filled_store, generations):
    settings = ServerSettings(address="127.0.0.1:0", token="open-sesame", drain_s=0.0)  # noqa: S106  (a test's token)
    async with serving(filled_store.database, generations, settings) as server:
        target = f"127.0.0.1:{server.port}"
        for token, allowed in (("open-sesame", True), ("guess", False), (None, False)):
            client_settings = ClientSettings(target, token=token, allow_token_over_plaintext=True, retries=None)
            async with AsyncRuijiClient(client_settings) as client:
                if allowed:
                    assert (await client.info()).encoder_id == ENCODER_ID
                else:
                    with pytest.raises(UnauthenticatedError):
                        await client.info()


async def test_a_draining_server_finishes_what_is_under_way(filled_store, generations):
    settings = ServerSettings(address="127.0.0.1:0", drain_s=0.2, grace_s=5.0)
    async with (
        serving(filled_store.database, generations, settings) as server,
        AsyncRuijiClient(f"127.0.0.1:{server.port}") as client,
    ):
        drained = asyncio.create_task(server.drain())
        answers = await asyncio.gather(*(client.similar_items(item_id="item-00001") for _ in range(50)))
        await drained
    assert all(answer.items for answer in answers)


async def test_a_port_in_use_is_said(database, generations):
    async with serving(database, generations) as server:
        with pytest.raises(OSError, match="is the port in use"):
            async with serving(database, generations, ServerSettings(address=f"127.0.0.1:{server.port}")):
                pass
