"""Status says what serves and what waits, and counts for many askers at once."""

from __future__ import annotations

import asyncio
import threading
import time

import numpy as np
import pytest
from ruiji_client import EncoderStatus
from ruiji_server.domain.errors import Reason
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.services.remembered import Remembered
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.embedding_tasks import EmbeddingTaskStore, FailedTask, FinishedTask
from ruiji_server.store.encoders import register_encoder
from ruiji_server.store.rollout import retire

from tests.support.catalogues import DIMENSIONS, ENCODER_ID, an_item, build, fill_store
from tests.support.services import served

ITEMS = 60
OTHER, RETIRED = "enc-ffffffffffffffff", "enc-eeeeeeeeeeeeeeee"


@pytest.fixture
def store(tmp_path):
    store = fill_store(tmp_path, ITEMS)
    yield store
    store.database.close()


async def test_an_empty_installation_has_a_status(database, tmp_path):
    async with served(database, GenerationDirectory(tmp_path / "g")) as client:
        status = await client.status()
    assert (status.items, status.feed_position, len(status.encoders)) == (0, 0, 0)
    assert status.started_at.ToDatetime() <= status.observed_at.ToDatetime()


async def test_what_serves_is_described(store, tmp_path):
    directory, manifest = build(store, tmp_path / "generations")
    async with served(store.database, directory) as client:
        status = await client.status()
        info = await client.info()
    [encoder] = status.encoders
    assert (encoder.encoder_id, encoder.state, encoder.request_share) == (ENCODER_ID, EncoderStatus.STATE_PROMOTED, 1.0)
    assert encoder.generation.generation == info.generation
    assert encoder.generation.followed
    assert encoder.generation.feed_position == status.feed_position
    assert encoder.generation.feed_lag_s == 0.0
    assert [band.kept_share for band in encoder.generation.band_recalls] == [
        band.kept_share for band in manifest.quality.bands
    ]
    assert (encoder.backlog.embedded_items, encoder.backlog.waiting_items, status.items) == (ITEMS, 0, ITEMS)


async def test_what_waits_and_what_was_given_up_is_counted(store, tmp_path):
    directory, _ = build(store, tmp_path / "generations")
    CatalogueStore(store.database).upsert("new", "", [an_item("n1"), an_item("n2"), an_item("n3")])
    tasks = EmbeddingTaskStore(store.database, ENCODER_ID)
    [one, two] = tasks.claim(2, 60.0)
    tasks.fail([FailedTask(one.item_id, one.picture_sha256, Reason.PICTURE_UNREADABLE, "broken", None)])
    tasks.fail([FailedTask(two.item_id, two.picture_sha256, Reason.PICTURE_UNREACHABLE, "away", 60.0)])
    register_encoder(store.database, OTHER, "other", DIMENSIONS)
    register_encoder(store.database, RETIRED, "old", DIMENSIONS)
    retire(store.database, RETIRED)
    async with served(store.database, directory) as client:
        promoted, other, retired = (await client.status()).encoders
    backlog = promoted.backlog
    assert (backlog.embedded_items, backlog.waiting_items, backlog.retrying_items) == (ITEMS, 2, 1)
    assert [(parked.reason, parked.items) for parked in backlog.parked] == [("PICTURE_UNREADABLE", 1)]
    assert (other.state, other.backlog.waiting_items) == (EncoderStatus.STATE_ACTIVE, ITEMS + 3)
    assert not other.HasField("generation")
    assert (retired.state, retired.HasField("backlog")) == (EncoderStatus.STATE_RETIRED, False)


async def test_changes_that_are_followed_are_in_the_status(store, tmp_path):
    directory, _ = build(store, tmp_path / "generations")
    async with served(store.database, directory) as client:
        await client.delete_items(["item-00001"])
        changed = store.items[2]
        tasks = EmbeddingTaskStore(store.database, ENCODER_ID)
        CatalogueStore(store.database).upsert("again", "", [an_item(changed.item_id)])
        [task] = tasks.claim(1, 60.0)
        tasks.finish([FinishedTask(task.item_id, task.picture_sha256, np.eye(1, DIMENSIONS, dtype=np.float32)[0])])
        deadline = time.monotonic() + 20.0
        while True:
            [encoder] = (status := await client.status()).encoders
            if encoder.generation.feed_position == status.feed_position and encoder.generation.changed_items == 1:
                break
            assert time.monotonic() < deadline, "waited in vain"
            await asyncio.sleep(0.1)
    assert encoder.generation.generation.feed_position < encoder.generation.feed_position


async def test_who_asks_at_the_same_time_shares_one_answer():
    asked: list[int] = []
    go = threading.Event()

    def find_out(key: int) -> int:
        asked.append(key)
        go.wait(20.0)
        return key * 2

    remembered = Remembered(find_out, keep_s=3_600.0)
    waiting = [asyncio.create_task(remembered.get(3)) for _ in range(5)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    go.set()
    assert await asyncio.gather(*waiting[1:]) == [6, 6, 6, 6]
    assert await remembered.get(3) == 6
    assert asked == [3]


async def test_an_answer_that_is_too_old_is_found_out_again_and_a_failure_at_once():
    asked: list[str] = []

    def find_out(key: str) -> str:
        asked.append(key)
        if len(asked) == 1:
            raise ValueError(key)
        return key

    remembered = Remembered(find_out, keep_s=0.0)
    with pytest.raises(ValueError, match="a"):
        await remembered.get("a")
    assert await remembered.get("a") == "a"
    async with asyncio.timeout(20.0):
        while len(asked) < 3:
            await asyncio.sleep(0.01)
            assert await remembered.get("a") == "a"
