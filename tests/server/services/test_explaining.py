"""Items that are not on a page are explained over the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from ruiji_client import AsyncRuijiClient, DroppedItem, InvalidArgumentError
from ruiji_server.ranking.query import DropReason

from tests.support.services import served

ITEM = "item-00008"


@pytest.fixture
async def client(filled_store, generations) -> AsyncIterator[AsyncRuijiClient]:
    async with served(filled_store.database, generations) as client:
        yield client


async def test_the_nearest_that_are_not_on_the_page_come_with_their_reasons(client: AsyncRuijiClient):
    answer = await client.similar_items(item_id=ITEM, page_size=5, explain=True, explain_dropped=40)
    dropped = answer.explanation.dropped
    assert len(dropped) == 40
    assert {hit.item_id for hit in dropped}.isdisjoint({ITEM, *(hit.item_id for hit in answer.items)})
    assert [hit.cosine for hit in dropped] == sorted((hit.cosine for hit in dropped), reverse=True)
    assert {hit.reason for hit in dropped} >= {
        DroppedItem.REASON_OUTRANKED,
        DroppedItem.REASON_OUTSIDE_PRICE_BAND,
        DroppedItem.REASON_OTHER_CURRENCY,
    }


async def test_explaining_does_not_change_the_page(client: AsyncRuijiClient):
    plain = await client.similar_items(item_id=ITEM)
    explained = await client.similar_items(item_id=ITEM, explain=True, explain_dropped=200)
    assert explained.items == plain.items


async def test_named_items_are_explained_and_unknown_ones_said_to_be_unknown(client: AsyncRuijiClient):
    plain = await client.similar_items(item_id=ITEM)
    named = [plain.items[0].item_id, ITEM, "nobody"]
    answer = await client.similar_items(item_id=ITEM, explain=True, explain_item_ids=named)
    own, unknown = answer.explanation.dropped
    assert (own.item_id, own.reason) == (ITEM, DroppedItem.REASON_QUERY_ITEM)
    assert (unknown.item_id, unknown.reason) == ("nobody", DroppedItem.REASON_NOT_INDEXED)
    assert not unknown.HasField("cosine")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"explain_dropped": 201}, "explain_dropped"),
        ({"explain_dropped": -1}, "explain_dropped"),
        ({"explain_item_ids": ["x"] * 201}, "explain_item_ids"),
    ],
)
async def test_too_much_explaining_is_refused(client: AsyncRuijiClient, options, field):
    with pytest.raises(InvalidArgumentError) as caught:
        await client.similar_items(item_id=ITEM, explain=True, **options)
    assert (caught.value.reason, caught.value.field) == ("EXPLANATION_OUT_OF_RANGE", field)


def test_each_reason_of_the_ranking_has_its_name_in_the_contract():
    named = {name.removeprefix("REASON_") for name in DroppedItem.Reason.keys()}  # noqa: SIM118  (no mapping)
    assert named == {reason.name for reason in DropReason} | {"UNSPECIFIED", "NOT_INDEXED"}
