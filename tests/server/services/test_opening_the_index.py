"""No request waits for the graph to be opened: items that changed may have no neighbours in the table."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from ruiji_server.domain.items import Price
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.services.serving import ServingGenerations
from ruiji_server.store.catalogue import CatalogueStore

from tests.support.catalogues import FilledStore, build, fill_store


@pytest.fixture
def store(tmp_path) -> Iterator[FilledStore]:
    store = fill_store(tmp_path, 100)
    yield store
    store.database.close()


@pytest.fixture
def directory(store, tmp_path) -> GenerationDirectory:
    directory, _ = build(store, tmp_path / "generations")
    return directory


def change_a_price(store: FilledStore) -> None:
    dearer = replace(store.items[0], price=Price(777, "JPY"), picture=None)
    CatalogueStore(store.database).upsert("dearer", "", [dearer])


async def test_it_stays_closed_while_nothing_changes(store, directory):
    serving = ServingGenerations(directory, store.database)
    assert await serving.refresh()
    assert not serving.current().generation.index.is_open


async def test_it_is_open_before_the_first_change_is_in_the_answers(store, directory):
    serving = ServingGenerations(directory, store.database)
    assert await serving.refresh()
    following = asyncio.create_task(serving.follow_changes())
    change_a_price(store)
    current = serving.current()
    async with asyncio.timeout(20):
        while not current.live.has_changes:
            await asyncio.sleep(0.001)
    assert current.generation.index.is_open
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following


async def test_a_generation_that_was_behind_when_it_was_taken_up_has_it_open(store, directory):
    change_a_price(store)
    serving = ServingGenerations(directory, store.database)
    assert await serving.refresh()
    assert serving.current().live.has_changes
    assert serving.current().generation.index.is_open
