"""What a backend service sees of an installation; the same for each server that keeps the contract."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from ruiji_client import (
    EmbeddingStatus,
    FailedPreconditionError,
    InvalidArgumentError,
    Item,
    ItemState,
    NotFoundError,
    Price,
    RuijiClient,
    UpsertOutcome,
)

from tests.support.catalogues import png
from tests.support.clients import OpenClient
from tests.support.installations import INSTALLATIONS, Installation


@pytest.fixture(scope="module", params=INSTALLATIONS)
def installation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with INSTALLATIONS[request.param](tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture
def client(open_client: OpenClient, installation: Installation) -> RuijiClient:
    return open_client(installation.target)


def new_item(**changes: Any) -> Item:
    fields: dict[str, Any] = {
        "item_id": f"new-{uuid.uuid4()}",
        "title": "赤い靴",
        "price": Price(amount_minor=1200, currency_code="JPY"),
        "category_path": ["Fashion", "Shoes"],
        "picture_content": png(),
    }
    return Item(**fields | changes)


def test_similar_items_come_best_first_without_the_query(client: RuijiClient, installation: Installation) -> None:
    page = client.similar_items(item_id=installation.item_id, page_size=10, max_price_ratio=math.inf)
    ids = [item.item_id for item in page.items]
    scores = [item.score for item in page.items]
    assert len(set(ids)) == 10
    assert installation.item_id not in ids
    assert scores == sorted(scores, reverse=True)
    assert page.encoder_id == client.info().encoder_id
    assert page.generation_id == client.info().generation.generation_id


def test_each_answer_has_a_name_of_its_own(client: RuijiClient, installation: Installation) -> None:
    names = [client.similar_items(item_id=installation.item_id, unit_id="user-1").request_id for _ in range(3)]
    assert len(set(names)) == 3
    assert {len(name) for name in names} == {32}


def test_a_page_has_twenty_items_unless_told_otherwise(client: RuijiClient, installation: Installation) -> None:
    assert len(client.similar_items(item_id=installation.item_id, max_price_ratio=math.inf).items) == 20


def test_excluded_items_are_not_recommended(client: RuijiClient, installation: Installation) -> None:
    best = client.similar_items(item_id=installation.item_id, page_size=3, max_price_ratio=math.inf).items
    out = [best[0].item_id, best[1].item_id, "nobody"]
    page = client.similar_items(
        item_id=installation.item_id, page_size=3, max_price_ratio=math.inf, excluded_item_ids=out
    )
    assert page.items[0].item_id == best[2].item_id


def test_an_explanation_comes_when_asked_for(client: RuijiClient, installation: Installation) -> None:
    plain = client.similar_items(item_id=installation.item_id)
    explained = client.similar_items(item_id=installation.item_id, max_price_ratio=math.inf, explain=True)
    assert not plain.HasField("explanation")
    assert explained.explanation.max_price_ratio == math.inf
    assert explained.explanation.candidates > 0


def test_an_embedding_can_be_the_query(client: RuijiClient) -> None:
    info = client.info()
    embedding = [1.0] + [0.0] * (info.dimensions - 1)
    page = client.similar_items(embedding=embedding, encoder_id=info.encoder_id, page_size=5)
    assert len(page.items) == 5
    assert not page.items[0].HasField("price_ratio")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (lambda dimensions: [1.0] * (dimensions + 1), "EMBEDDING_DIMENSIONS"),
        (lambda dimensions: [math.nan] * dimensions, "EMBEDDING_NOT_FINITE"),
        (lambda dimensions: [0.0] * dimensions, "EMBEDDING_ZERO"),
    ],
)
def test_an_embedding_that_is_none_is_refused(client: RuijiClient, values: Any, reason: str) -> None:
    info = client.info()
    with pytest.raises(InvalidArgumentError) as caught:
        client.similar_items(embedding=values(info.dimensions), encoder_id=info.encoder_id)
    assert (caught.value.reason, caught.value.field) == (reason, "embedding.values")


def test_an_embedding_of_another_encoder_is_refused(client: RuijiClient) -> None:
    embedding = [1.0] * client.info().dimensions
    with pytest.raises(FailedPreconditionError) as caught:
        client.similar_items(embedding=embedding, encoder_id="enc-ffffffffffffffff")
    assert caught.value.reason == "ENCODER_MISMATCH"


def test_an_unknown_query_item_is_not_found(client: RuijiClient) -> None:
    with pytest.raises(NotFoundError) as caught:
        client.similar_items(item_id="nobody")
    assert (caught.value.reason, caught.value.field) == ("ITEM_NOT_FOUND", "item_id")


@pytest.mark.parametrize("page_size", [-1, 0, 201])
def test_a_page_size_out_of_range_is_refused(client: RuijiClient, installation: Installation, page_size: int) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        client.similar_items(item_id=installation.item_id, page_size=page_size)
    assert (caught.value.reason, caught.value.field) == ("PAGE_SIZE_OUT_OF_RANGE", "page_size")


def test_info_tells_the_limits(client: RuijiClient) -> None:
    limits = client.info().limits
    assert (limits.max_page_size, limits.max_batch_items) == (200, 500)


def test_an_item_goes_in_and_comes_back_and_goes_out(client: RuijiClient) -> None:
    item = new_item()
    created = client.upsert_items([item])
    assert [outcome.kind for outcome in created.outcomes] == [UpsertOutcome.KIND_CREATED]

    stored = client.get_item(item.item_id)
    assert (stored.item.title, stored.item.price, list(stored.item.category_path)) == (
        "赤い靴",
        item.price,
        ["Fashion", "Shoes"],
    )
    assert stored.item.state == ItemState.ITEM_STATE_ON_SALE
    assert not stored.item.picture_content
    assert client.get_item(item.item_id, include_picture=True).item.picture_content == item.picture_content

    assert list(client.delete_items([item.item_id, "nobody"]).deleted) == [True, False]
    with pytest.raises(NotFoundError):
        client.get_item(item.item_id)


def test_an_item_tells_for_each_encoder_where_it_stands(client: RuijiClient, installation: Installation) -> None:
    [status] = client.get_item(installation.item_id).embeddings
    assert status.encoder_id == client.info().encoder_id
    assert status.stage == EmbeddingStatus.STAGE_EMBEDDED


def test_an_item_is_found_by_its_title_its_category_and_its_id(client: RuijiClient) -> None:
    item = new_item(title="Unmistakable clogs", category_path=["Fashion", "Shoes", "Clogs"])
    client.upsert_items([item])
    for wanted in (
        client.search_items("CLOGS unmistakable"),
        client.search_items(category_prefix=["Fashion", "Shoes", "Clogs"]),
        client.search_items(item_id_prefix=item.item_id),
    ):
        [hit] = [found for found in wanted.items if found.item.item_id == item.item_id]
        assert hit.item.title == "Unmistakable clogs"
        assert not hit.item.picture_content
        assert len(hit.picture_sha256) == 64
    client.delete_items([item.item_id])


def test_a_search_goes_on_where_it_stopped(client: RuijiClient) -> None:
    first = client.search_items(item_id_prefix="item-000", page_size=7)
    second = client.search_items(item_id_prefix="item-000", page_size=7, page_token=first.next_page_token)
    ids = [hit.item.item_id for hit in (*first.items, *second.items)]
    assert ids == [f"item-{number:05d}" for number in range(14)]


def test_a_category_counts_what_is_below_it(client: RuijiClient) -> None:
    root = client.list_categories()
    assert root.category.items == sum(child.items for child in root.children) > 0
    assert root.encoder_id == client.info().encoder_id
    [child, *_] = root.children
    assert client.list_categories(child.category_path).category.items == child.items


def test_the_status_names_what_serves(client: RuijiClient) -> None:
    encoder = client.status().encoders[0]
    assert encoder.encoder_id == client.info().encoder_id
    assert encoder.generation.generation.generation_id == client.info().generation.generation_id


def test_a_repeated_upsert_returns_the_first_answer(client: RuijiClient) -> None:
    item, request_id = new_item(), str(uuid.uuid4())
    first = client.upsert_items([item], request_id=request_id)
    again = client.upsert_items([item], request_id=request_id)
    assert (first.replayed, again.replayed) == (False, True)
    assert (again.outcomes, again.feed_position) == (first.outcomes, first.feed_position)


def test_a_request_id_is_not_for_two_batches(client: RuijiClient) -> None:
    request_id = str(uuid.uuid4())
    client.upsert_items([new_item()], request_id=request_id)
    with pytest.raises(InvalidArgumentError) as caught:
        client.upsert_items([new_item()], request_id=request_id)
    assert (caught.value.reason, caught.value.field) == ("REQUEST_ID_REUSED", "request_id")


def test_a_rejected_item_does_not_stop_the_others(client: RuijiClient) -> None:
    bad, good = new_item(), new_item()
    bad.ClearField("price")
    outcomes = client.upsert_items([bad, good]).outcomes
    assert [outcome.kind for outcome in outcomes] == [UpsertOutcome.KIND_REJECTED, UpsertOutcome.KIND_CREATED]
    assert outcomes[0].error.reason == "PRICE_MISSING"
    assert client.get_item(good.item_id).item.item_id == good.item_id


def test_an_empty_batch_is_refused(client: RuijiClient) -> None:
    for call in (lambda: client.upsert_items([]), lambda: client.delete_items([])):
        with pytest.raises(InvalidArgumentError) as caught:
            call()
        assert caught.value.reason == "BATCH_EMPTY"
