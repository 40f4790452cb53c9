"""Search and categories as somebody meets them who looks around in the catalogue."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from ruiji_client import AsyncRuijiClient, FailedPreconditionError, InvalidArgumentError
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.store.encoders import register_encoder
from ruiji_server.store.rollout import retire

from tests.support.catalogues import ENCODER_ID, FilledStore
from tests.support.services import served


@pytest.fixture
async def client(filled_store: FilledStore, generations) -> AsyncIterator[AsyncRuijiClient]:
    async with served(filled_store.database, generations) as client:
        yield client


async def test_a_search_comes_page_by_page(client: AsyncRuijiClient, filled_store: FilledStore):
    ids: list[str] = []
    token = ""
    while True:
        page = await client.search_items("item 29", page_size=40, page_token=token)
        ids += [hit.item.item_id for hit in page.items]
        token = page.next_page_token
        if not token:
            break
    assert ids == [item.item_id for item in filled_store.items if "29" in item.title]


async def test_a_found_item_comes_without_its_picture(client: AsyncRuijiClient, filled_store: FilledStore):
    [hit] = (await client.search_items(item_id_prefix="item-00042")).items
    item = filled_store.items[42]
    assert (hit.item.title, hit.item.price.amount_minor) == (item.title, item.price.amount_minor)
    assert not hit.item.HasField("picture_content")
    assert hit.picture_sha256 == item.picture.digest()


@pytest.mark.parametrize(
    ("options", "reason", "field"),
    [
        ({"text": "x" * 201}, "SEARCH_TEXT_INVALID", "text"),
        ({"text": "a\0b"}, "SEARCH_TEXT_INVALID", "text"),
        ({"category_prefix": [""]}, "CATEGORY_PATH_INVALID", "category_prefix[0]"),
        ({"item_id_prefix": "a\n"}, "ITEM_ID_INVALID", "item_id_prefix"),
        ({"page_size": 0}, "PAGE_SIZE_OUT_OF_RANGE", "page_size"),
        ({"page_token": "?"}, "PAGE_TOKEN_INVALID", "page_token"),
        ({"page_token": "_____w=="}, "PAGE_TOKEN_INVALID", "page_token"),
        ({"page_token": "CgA="}, "PAGE_TOKEN_INVALID", "page_token"),
        ({"page_token": "猫"}, "PAGE_TOKEN_INVALID", "page_token"),
    ],
)
async def test_a_search_out_of_range_is_refused(client: AsyncRuijiClient, options, reason, field):
    with pytest.raises(InvalidArgumentError) as caught:
        await client.search_items(**options)
    assert (caught.value.reason, caught.value.field) == (reason, field)


async def test_the_tree_can_be_walked_from_its_root(client: AsyncRuijiClient, filled_store: FilledStore):
    root = await client.list_categories()
    assert root.category.items == len(filled_store.items)
    assert root.encoder_id == ENCODER_ID
    assert [list(child.category_path) for child in root.children] == [["Fashion"], ["Home"]]
    fashion = await client.list_categories(["Fashion"])
    assert fashion.category == root.children[0]
    assert sum(child.items for child in fashion.children) == fashion.category.items
    shoes = await client.list_categories(["Fashion", "Shoes"])
    assert all(child.embedded_items == child.items and child.children == 0 for child in shoes.children)


async def test_counts_of_an_encoder_that_embeds_nothing_are_refused(database, tmp_path):

    register_encoder(database, "enc-000000000000000a", "promoted", 4)
    register_encoder(database, "enc-000000000000000b", "retired", 4)
    retire(database, "enc-000000000000000b")
    async with served(database, GenerationDirectory(tmp_path / "g")) as client:
        for encoder_id in ("enc-000000000000000b", "enc-nobody"):
            with pytest.raises(FailedPreconditionError) as caught:
                await client.list_categories(encoder_id=encoder_id)
            assert caught.value.reason == "ENCODER_MISMATCH"


async def test_a_category_path_out_of_range_is_refused(client: AsyncRuijiClient):
    with pytest.raises(InvalidArgumentError) as caught:
        await client.list_categories(["x"] * 17)
    assert caught.value.reason == "CATEGORY_PATH_INVALID"
