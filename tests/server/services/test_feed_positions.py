"""A server whose generation and store do not fit together says so, and never skips a change in silence."""

from __future__ import annotations

import asyncio
import logging
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from ruiji_server.generations.builder import BuildSettings
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.positions import lowest_feed_position
from ruiji_server.services.serving import ServingGenerations
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.engine import open_database
from ruiji_server.store.feed_trim import trim_feed

from tests.support.catalogues import ENCODER_ID, an_item, build, fill_store

SETTINGS = BuildSettings(recall_sample=20)
ITEMS = 60
PATIENCE_S = 20.0


@pytest.fixture
def store(tmp_path: Path):
    store = fill_store(tmp_path, ITEMS)
    yield store
    store.database.close()


@pytest.fixture
def directory(store, tmp_path: Path) -> GenerationDirectory:
    return build(store, tmp_path / "generations", SETTINGS)[0]


async def until(condition) -> None:
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


async def cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_generation_that_the_store_has_not_reached_is_refused(store, directory, tmp_path, caplog):
    """The store was restored from a backup that is older than the generation."""
    (tmp_path / "backup").mkdir()
    backup = fill_store(tmp_path / "backup", 10)
    with caplog.at_level(logging.ERROR):
        assert not await ServingGenerations(directory, backup.database).refresh()
    assert "before position 120: the store is another one, or was restored" in caplog.text
    backup.database.close()


async def test_a_server_notices_at_once_that_its_store_went_back_and_answers_on(store, directory, tmp_path, caplog):
    store.database.close()
    shutil.copy(tmp_path / "store.sqlite", tmp_path / "backup.sqlite")
    database = open_database(str(tmp_path / "store.sqlite"))
    serving = ServingGenerations(directory, database)
    CatalogueStore(database).upsert("more", "", [an_item("more")])
    assert await serving.refresh()
    current = serving.current()
    assert current.feed_position == 2 * ITEMS + 1
    database.close()
    for leftover in tmp_path.glob("store.sqlite*"):
        leftover.unlink()
    shutil.copy(tmp_path / "backup.sqlite", tmp_path / "store.sqlite")
    following = asyncio.create_task(serving.follow_changes())
    with caplog.at_level(logging.ERROR):
        await until(lambda: not current.followed)
    await cancelled(following)
    assert "no change reaches it any more" in caplog.text
    assert serving.current() is current
    database.close()


async def test_a_server_that_was_away_for_too_long_waits_for_a_newer_generation(store, directory, caplog):
    serving = ServingGenerations(directory, store.database)
    assert await serving.refresh()
    behind = serving.current()
    for number in range(5):
        CatalogueStore(store.database).upsert(f"more-{number}", "", [an_item(f"more-{number}")])
    trim_feed(store.database, below=2 * ITEMS + 4, older_than_s=0.0)
    following = asyncio.create_task(serving.follow_changes())
    with caplog.at_level(logging.ERROR):
        await until(lambda: not behind.followed)
    assert f"after {2 * ITEMS} is not known any more" in caplog.text
    build(store, directory.root, SETTINGS)
    assert await serving.refresh()
    assert serving.current().followed
    CatalogueStore(store.database).upsert("last", "", [an_item("last")])
    await until(lambda: serving.current().feed_position == 2 * ITEMS + 6)
    await cancelled(following)


async def test_a_generation_from_before_the_trimmed_part_is_refused_when_it_is_opened(store, directory, caplog):
    CatalogueStore(store.database).upsert("more", "", [an_item("more-1"), an_item("more-2")])
    trim_feed(store.database, below=10**6, older_than_s=0.0)
    with caplog.at_level(logging.ERROR):
        assert not await ServingGenerations(directory, store.database).refresh()
    assert "load a newer generation" in caplog.text


def test_the_lowest_position_counts_kept_generations_of_encoders_in_use(store, directory):
    assert lowest_feed_position(directory, {ENCODER_ID}) == 2 * ITEMS
    CatalogueStore(store.database).upsert("more", "", [an_item("more")])
    build(store, directory.root, SETTINGS)
    assert lowest_feed_position(directory, {ENCODER_ID}) == 2 * ITEMS
    assert lowest_feed_position(directory, {"enc-other"}) is None
    shutil.rmtree(directory.folder(directory.ids()[-1]))
    assert lowest_feed_position(directory, {ENCODER_ID}) == 2 * ITEMS + 1
