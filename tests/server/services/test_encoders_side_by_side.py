"""Two encoders serve in one process; which one answers changes without a restart and without a failed request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from ruiji_client import AsyncRuijiClient, FailedPreconditionError
from ruiji_server.generations.builder import BuildSettings
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.encoders import register_encoder
from ruiji_server.store.rollout import promote, retire, roll_back, set_share

from tests.support.catalogues import (
    DIMENSIONS,
    ENCODER_ID,
    OTHER_ENCODER_ID,
    Catalogue,
    FilledStore,
    an_item,
    build,
    build_other,
    catalogue_of_two_encoders,
    clustered_vectors,
    embed_waiting,
)
from tests.support.services import eventually, served


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    with catalogue_of_two_encoders(tmp_path) as catalogue:
        yield catalogue


@pytest.fixture
def store(catalogue: Catalogue) -> FilledStore:
    return catalogue[0]


@pytest.fixture
def directory(catalogue: Catalogue) -> GenerationDirectory:
    return catalogue[1]


@pytest.fixture
async def client(store: FilledStore, directory: GenerationDirectory) -> AsyncIterator[AsyncRuijiClient]:
    async with served(store.database, directory) as client:
        yield client


async def answering(client: AsyncRuijiClient, item_id: str, **options: object) -> str:
    return (await client.similar_items(item_id=item_id, **options)).encoder_id


async def shares(client: AsyncRuijiClient) -> dict[str, float]:
    return {serving.encoder_id: serving.request_share for serving in (await client.info()).serving_encoders}


async def test_a_request_gets_the_encoder_that_it_names_and_otherwise_the_promoted_one(store, client):
    item_id = store.items[0].item_id
    assert await answering(client, item_id) == ENCODER_ID
    assert await answering(client, item_id, encoder_id=ENCODER_ID) == ENCODER_ID
    assert await answering(client, item_id, encoder_id=OTHER_ENCODER_ID) == OTHER_ENCODER_ID
    pages = [
        [hit.item_id for hit in (await client.similar_items(item_id=item_id, encoder_id=encoder_id)).items]
        for encoder_id in (ENCODER_ID, OTHER_ENCODER_ID)
    ]
    assert pages[0] != pages[1]


async def test_a_batch_gets_the_encoder_that_it_names_and_otherwise_the_promoted_one(store, client):
    item_ids = [item.item_id for item in store.items[:3]]
    set_share(store.database, OTHER_ENCODER_ID, 1.0)
    assert (await client.similar_items_batch(item_ids)).encoder_id == ENCODER_ID
    assert (await client.similar_items_batch(item_ids, encoder_id=OTHER_ENCODER_ID)).encoder_id == OTHER_ENCODER_ID


async def test_an_encoder_that_does_not_serve_is_refused_and_those_that_do_are_named(store, client):
    with pytest.raises(FailedPreconditionError) as caught:
        await client.similar_items(item_id=store.items[0].item_id, encoder_id="enc-nobody")
    assert caught.value.reason == "ENCODER_MISMATCH"
    assert caught.value.field == "encoder_id"
    assert ENCODER_ID in caught.value.message
    assert OTHER_ENCODER_ID in caught.value.message


async def test_info_names_every_serving_encoder_the_promoted_one_first(store, directory, client):
    info = await client.info()
    assert [serving.encoder_id for serving in info.serving_encoders] == [ENCODER_ID, OTHER_ENCODER_ID]
    assert [serving.request_share for serving in info.serving_encoders] == [1.0, 0.0]
    assert [serving.generation.generation_id for serving in info.serving_encoders] == [
        directory.current_id(ENCODER_ID),
        directory.current_id(OTHER_ENCODER_ID),
    ]
    assert info.generation == info.serving_encoders[0].generation


async def test_a_share_of_the_queries_goes_to_the_other_encoder_always_the_same_ones(store, client):
    set_share(store.database, OTHER_ENCODER_ID, 0.5)

    async def is_divided() -> bool:
        return await shares(client) == {ENCODER_ID: 0.5, OTHER_ENCODER_ID: 0.5}

    await eventually(is_divided)
    item_ids = [item.item_id for item in store.items[:60]]
    first = [await answering(client, item_id) for item_id in item_ids]
    second = [await answering(client, item_id) for item_id in item_ids]
    assert first == second
    assert set(first) == {ENCODER_ID, OTHER_ENCODER_ID}


async def test_promoting_and_rolling_back_change_who_answers_without_a_failed_request(store, client):
    item_ids = [item.item_id for item in store.items]
    seen: list[str] = []
    stop = asyncio.Event()

    async def ask_on() -> None:
        for number in range(1_000_000):
            if stop.is_set():
                return
            seen.append(await answering(client, item_ids[number % len(item_ids)]))

    asking = asyncio.create_task(ask_on())

    async def only(encoder_id: str) -> None:
        async def answers() -> bool:
            return len(seen) > 20 and set(seen[-20:]) == {encoder_id}

        await eventually(answers)

    await only(ENCODER_ID)
    promote(store.database, OTHER_ENCODER_ID)
    await only(OTHER_ENCODER_ID)
    roll_back(store.database)
    await only(ENCODER_ID)
    stop.set()
    await asking
    assert [encoder for encoder, before in zip(seen[1:], seen, strict=False) if encoder != before] == [
        OTHER_ENCODER_ID,
        ENCODER_ID,
    ]


async def test_a_promoted_encoder_without_a_generation_leaves_the_one_before_answering(store, tmp_path):
    directory, _ = build(store, tmp_path / "one", BuildSettings(recall_sample=50))
    promote(store.database, OTHER_ENCODER_ID)
    async with served(store.database, directory) as client:
        assert await answering(client, store.items[0].item_id) == ENCODER_ID
        build_other(store, directory)

        async def is_replaced() -> bool:
            return await answering(client, store.items[0].item_id) == OTHER_ENCODER_ID

        await eventually(is_replaced)


async def test_a_retired_encoder_is_let_go_and_taken_up_again_when_it_is_revived(store, client):
    retire(store.database, OTHER_ENCODER_ID)

    async def is_gone() -> bool:
        return list(await shares(client)) == [ENCODER_ID]

    await eventually(is_gone)
    with pytest.raises(FailedPreconditionError):
        await client.similar_items(item_id=store.items[0].item_id, encoder_id=OTHER_ENCODER_ID)
    register_encoder(store.database, OTHER_ENCODER_ID, "other", DIMENSIONS, revive=True)

    async def is_back() -> bool:
        return set(await shares(client)) == {ENCODER_ID, OTHER_ENCODER_ID}

    await eventually(is_back)


async def test_each_encoders_answers_follow_the_changes_with_their_own_embeddings(store, client):
    asked = store.items[0].item_id
    new = an_item("new", price=store.items[0].price)
    CatalogueStore(store.database).upsert("new", "", [new])
    vector = clustered_vectors(1, seed=3)[0]
    embed_waiting(store.database, OTHER_ENCODER_ID, lambda _item_id: vector)

    async def is_known_to_the_other() -> bool:
        try:
            return await answering(client, "new", encoder_id=OTHER_ENCODER_ID) == OTHER_ENCODER_ID
        except FailedPreconditionError:
            return False

    await eventually(is_known_to_the_other)
    with pytest.raises(FailedPreconditionError) as caught:
        await client.similar_items(item_id="new", encoder_id=ENCODER_ID)
    assert caught.value.reason == "EMBEDDING_PENDING"
    CatalogueStore(store.database).delete([asked])

    async def is_deleted_from_both() -> bool:
        info = (await client.info()).serving_encoders
        pages = [
            (await client.similar_items(item_id=store.items[1].item_id, encoder_id=one.encoder_id, page_size=200)).items
            for one in info
        ]
        return all(asked not in {hit.item_id for hit in page} for page in pages)

    await eventually(is_deleted_from_both)


async def test_while_an_encoder_is_behind_another_answers_for_the_items_that_it_lacks(store, client):
    set_share(store.database, OTHER_ENCODER_ID, 1.0)
    CatalogueStore(store.database).upsert("new", "", [an_item("new", price=store.items[0].price)])
    embed_waiting(store.database, ENCODER_ID, lambda _item_id: store.vectors[0])

    async def is_known() -> bool:
        try:
            return await answering(client, "new") == ENCODER_ID
        except FailedPreconditionError:
            return False

    async def has_its_share() -> bool:
        return await answering(client, store.items[0].item_id) == OTHER_ENCODER_ID

    await eventually(is_known)
    await eventually(has_its_share)
    with pytest.raises(FailedPreconditionError):
        await client.similar_items(item_id="new", encoder_id=OTHER_ENCODER_ID)
    promote(store.database, OTHER_ENCODER_ID)
    assert await answering(client, "new") == ENCODER_ID


async def test_an_embedding_is_compared_only_with_those_of_its_own_encoder(store, client):
    vector = store.vectors[0].tolist()
    for encoder_id in (ENCODER_ID, OTHER_ENCODER_ID):
        assert (await client.similar_items(embedding=vector, encoder_id=encoder_id)).encoder_id == encoder_id
    with pytest.raises(FailedPreconditionError) as caught:
        await client.similar_items(embedding=vector, encoder_id="enc-nobody")
    assert caught.value.reason == "ENCODER_MISMATCH"
