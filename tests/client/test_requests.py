"""Arguments become the request that was meant; mistakes of the calling code do not travel."""

from __future__ import annotations

import math
import uuid
from typing import Any

import pytest
from ruiji.v1 import catalog_pb2
from ruiji.v1 import recommendation_pb2 as pb
from ruiji_client import Item, Price, RuijiClient

from tests.support.reference_server import ENCODER_ID, ReferenceServer

PICTURE = b"\x89PNG and so on"


def test_a_query_carries_everything_that_was_said(client: RuijiClient, server: ReferenceServer) -> None:
    client.similar_items(
        picture=PICTURE,
        price=Price(amount_minor=1200, currency_code="JPY"),
        category_path=["Fashion", "Shoes"],
        page_size=7,
        max_price_ratio=math.inf,
        category_weight=0.0,
        excluded_item_ids=["a", "b"],
        price_currency="JPY",
        explain=True,
        unit_id="user-7",
        targeting={"platform": "ios"},
        variant="band/wide",
        explain_dropped=5,
        explain_item_ids=["c"],
    )
    [call] = server.calls("SimilarItems")
    context = pb.QueryContext(price=Price(amount_minor=1200, currency_code="JPY"), category_path=["Fashion", "Shoes"])
    ranking = pb.RankingOverrides(
        max_price_ratio=math.inf, category_weight=0.0, excluded_item_ids=["a", "b"], price_currency_code="JPY"
    )
    assert call.request == pb.SimilarItemsRequest(
        picture=pb.PictureQuery(content=PICTURE, context=context),
        page_size=7,
        ranking=ranking,
        explain=True,
        unit_id="user-7",
        targeting={"platform": "ios"},
        variant="band/wide",
        explain_dropped=5,
        explain_item_ids=["c"],
    )


def test_embedding_on_the_spot_is_asked_for_by_item_alone(client: RuijiClient, server: ReferenceServer) -> None:
    client.upsert_items([Item(item_id="a", price=Price(amount_minor=1, currency_code="JPY"), picture_content=PICTURE)])
    client.similar_items(item_id="a", embed_if_missing=True)
    [call] = server.calls("SimilarItems")
    assert call.request == pb.SimilarItemsRequest(item_id="a", ranking=pb.RankingOverrides(), embed_if_missing=True)
    with pytest.raises(ValueError, match="item_id"):
        client.similar_items(picture=PICTURE, embed_if_missing=True)


def test_what_is_not_on_a_page_is_explained_only_with_an_explanation(client: RuijiClient) -> None:
    for wanted in ({"explain_dropped": 5}, {"explain_item_ids": iter(["a"])}):
        with pytest.raises(ValueError, match="explain=True"):
            client.similar_items(item_id="a", **wanted)  # type: ignore[arg-type]  # one of several


def test_a_search_carries_everything_that_was_said(client: RuijiClient, server: ReferenceServer) -> None:
    further: Any = {"category_prefix": ["Fashion"], "item_id_prefix": "a-", "page_size": 3, "page_token": "YQ"}
    client.search_items("red shoe", **further)
    [call] = server.calls("SearchItems")
    assert call.request == catalog_pb2.SearchItemsRequest(text="red shoe", **further)


def test_targeting_without_a_unit_is_a_mistake(client: RuijiClient) -> None:
    with pytest.raises(ValueError, match="unit_id"):
        client.similar_items(item_id="a", targeting={"platform": "ios"})


def test_what_was_not_said_is_left_to_the_server(client: RuijiClient, server: ReferenceServer) -> None:
    client.similar_items(embedding=[0.5] * 16, encoder_id=ENCODER_ID)
    [call] = server.calls("SimilarItems")
    request = call.request
    assert isinstance(request, pb.SimilarItemsRequest)
    assert not request.HasField("page_size")
    assert not request.ranking.HasField("max_price_ratio")
    assert not request.ranking.HasField("category_weight")
    assert not request.embedding.HasField("context") or request.embedding.context == pb.QueryContext()
    assert list(request.embedding.values) == [0.5] * 16


def test_any_query_may_name_the_encoder_that_answers(client: RuijiClient, server: ReferenceServer) -> None:
    client.similar_items(picture=PICTURE, encoder_id=ENCODER_ID)
    client.similar_items(picture=PICTURE)
    named, unnamed = [call.request for call in server.calls("SimilarItems")]
    assert isinstance(named, pb.SimilarItemsRequest)
    assert isinstance(unnamed, pb.SimilarItemsRequest)
    assert (named.encoder_id, unnamed.encoder_id) == (ENCODER_ID, "")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "exactly one"),
        ({"item_id": "a", "picture": PICTURE}, ValueError, "exactly one"),
        ({"embedding": [1.0]}, ValueError, "needs the encoder_id"),
        ({"item_id": "a", "category_path": ["Shoes"]}, ValueError, "are the catalogue's"),
        ({"item_id": "a", "price": Price(amount_minor=1, currency_code="JPY")}, ValueError, "are the catalogue's"),
        ({"picture": PICTURE, "category_path": "Shoes"}, TypeError, "category_path takes several strings"),
        ({"item_id": "a", "excluded_item_ids": "b"}, TypeError, "excluded_item_ids takes several strings"),
    ],
)
def test_a_mistake_in_the_calling_code_is_told_before_anything_is_sent(
    client: RuijiClient, server: ReferenceServer, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        client.similar_items(**arguments)
    assert not server.seen


def test_deleting_one_string_does_not_delete_its_letters(client: RuijiClient, server: ReferenceServer) -> None:
    with pytest.raises(TypeError, match=r"write \['1234'\]"):
        client.delete_items("1234")
    assert not server.seen


def test_an_empty_id_is_for_the_server_to_judge(client: RuijiClient, server: ReferenceServer) -> None:
    client.upsert_items([Item(item_id="", price=Price(amount_minor=1, currency_code="JPY"))], request_id="r")
    assert len(server.calls("UpsertItems")) == 1


def test_an_upsert_without_a_request_id_gets_a_fresh_uuid(client: RuijiClient, server: ReferenceServer) -> None:
    item = Item(item_id="a", price=Price(amount_minor=1, currency_code="JPY"))
    client.upsert_items([item])
    client.upsert_items([item])
    client.upsert_items([item], request_id="mine")
    first, second, third = (call.request.request_id for call in server.calls("UpsertItems"))  # type: ignore[attr-defined]  # of UpsertItemsRequest
    assert uuid.UUID(first).version == 4
    assert uuid.UUID(second) != uuid.UUID(first)
    assert third == "mine"
