"""What changes in the catalogue shows in answers at once, and a new generation takes over without a failed request."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from ruiji_client import AsyncRuijiClient, FailedPreconditionError, NotFoundError
from ruiji_server.domain.items import Item, ItemState, PictureContent, Price
from ruiji_server.store.catalogue import CatalogueStore

from tests.support.catalogues import FilledStore, an_item, build, embed_all, fill_store, png
from tests.support.services import served

ITEMS = 200
PATIENCE_S = 20.0


@pytest.fixture
def store(tmp_path):
    store = fill_store(tmp_path, ITEMS)
    yield store
    store.database.close()


@pytest.fixture
def directory(store, tmp_path):
    return build(store, tmp_path / "generations")[0]


async def eventually(condition: Callable[[], object]) -> None:
    """Wait until an asynchronous condition holds."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


async def page(client: AsyncRuijiClient, item_id: str, **options) -> list[str]:
    options = {"page_size": 200, "max_price_ratio": math.inf, "price_currency": "JPY"} | options
    return [hit.item_id for hit in (await client.similar_items(item_id=item_id, **options)).items]


def on_sale(store: FilledStore) -> list[Item]:
    return [item for item in store.items if item.state == ItemState.ON_SALE and item.price.currency == "JPY"]


async def test_a_deleted_item_is_neither_recommended_nor_answered_for(store, directory):
    asked, gone = on_sale(store)[:2]
    async with served(store.database, directory) as client:
        assert gone.item_id in await page(client, asked.item_id)
        CatalogueStore(store.database).delete([gone.item_id])

        async def is_gone() -> bool:
            return gone.item_id not in await page(client, asked.item_id)

        await eventually(is_gone)
        with pytest.raises(NotFoundError):
            await client.similar_items(item_id=gone.item_id)


async def test_a_sold_item_is_no_longer_recommended_and_still_answered_for(store, directory):
    asked, sold = on_sale(store)[:2]
    async with served(store.database, directory) as client:
        CatalogueStore(store.database).upsert("sold", "", [replace(sold, state=ItemState.SOLD, picture=None)])

        async def is_gone() -> bool:
            return sold.item_id not in await page(client, asked.item_id)

        await eventually(is_gone)
        assert asked.item_id in await page(client, sold.item_id)
        answer = await client.similar_items(item_id=sold.item_id, explain=True)
        assert answer.explanation.neighbour_table, "it is in the generation as it was"
        known = await client.similar_items(item_id=sold.item_id)
        assert known.items == answer.items, "in one call of the kernel"


async def test_a_new_price_counts_at_once(store, directory):
    asked, dearer = on_sale(store)[:2]
    async with served(store.database, directory) as client:
        price = Price(asked.price.amount_minor * 1_000, "JPY")
        CatalogueStore(store.database).upsert("dearer", "", [replace(dearer, price=price, picture=None)])

        async def is_dearer() -> bool:
            answer = await client.similar_items(item_id=asked.item_id, page_size=200, max_price_ratio=math.inf)
            ratios = {hit.item_id: hit.price_ratio for hit in answer.items}
            return ratios.get(dearer.item_id) == pytest.approx(1_000)

        await eventually(is_dearer)
        assert dearer.item_id not in await page(client, asked.item_id, max_price_ratio=999.0)


async def test_a_new_item_is_found_as_soon_as_it_is_embedded(store, directory):
    asked = on_sale(store)[0]
    vector = store.vectors[store.items.index(asked)]
    async with served(store.database, directory) as client:
        new = an_item("new", price=asked.price, category_path=("A category", "that is new"))
        CatalogueStore(store.database).upsert("new", "", [new])
        with pytest.raises(FailedPreconditionError):
            await client.similar_items(item_id="new")
        embed_all(store.database, {"new": vector})

        async def is_first() -> bool:
            return (await page(client, asked.item_id, category_weight=0.0))[0] == "new"

        await eventually(is_first)
        assert asked.item_id in await page(client, "new")


async def test_an_item_with_a_new_picture_waits_for_its_new_embedding(store, directory):
    asked, changed = on_sale(store)[:2]
    async with served(store.database, directory) as client:
        other = PictureContent(png((9, 9, 9)))
        CatalogueStore(store.database).upsert("picture", "", [replace(changed, picture=other)])

        async def is_gone() -> bool:
            return changed.item_id not in await page(client, asked.item_id)

        await eventually(is_gone)
        with pytest.raises(FailedPreconditionError):
            await client.similar_items(item_id=changed.item_id)
        embed_all(store.database, {changed.item_id: store.vectors[0]})

        async def is_back() -> bool:
            return changed.item_id in await page(client, asked.item_id)

        await eventually(is_back)


async def test_a_restarted_server_knows_what_changed_since_the_generation(store, directory):
    asked, gone = on_sale(store)[:2]
    CatalogueStore(store.database).delete([gone.item_id])
    async with served(store.database, directory) as client:
        assert gone.item_id not in await page(client, asked.item_id)


async def test_a_new_generation_takes_over_without_a_failed_request_and_gives_the_same_answers(store, directory):
    asked = on_sale(store)[5]
    catalogue = CatalogueStore(store.database)
    async with served(store.database, directory) as client:
        first = (await client.info()).generation.generation_id
        catalogue.delete([item.item_id for item in store.items[100:120]])
        catalogue.upsert("sale", "", [replace(i, price=Price(500, "JPY"), picture=None) for i in store.items[120:140]])
        position = catalogue.delete(["nobody"])[1]
        stop = asyncio.Event()

        async def ask_on() -> int:
            asked_times = 0
            while not stop.is_set():
                await client.similar_items(item_id=asked.item_id)
                asked_times += 1
                await asyncio.sleep(0)
            return asked_times

        asking = asyncio.create_task(ask_on())

        async def has_seen_everything() -> bool:
            found = await page(client, asked.item_id)
            return not {item.item_id for item in store.items[100:120]} & set(found)

        await eventually(has_seen_everything)
        before = await page(client, asked.item_id, page_size=50)
        _, manifest = await asyncio.to_thread(build, store, directory.root)
        assert manifest.feed_position >= position

        async def has_swapped() -> bool:
            return (await client.info()).generation.generation_id == manifest.generation_id != first

        await eventually(has_swapped)
        stop.set()
        assert await asking > 0
        assert await page(client, asked.item_id, page_size=50) == before
