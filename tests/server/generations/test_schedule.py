"""A builder that goes on for ever builds when enough changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ruiji_server.domain.items import Price
from ruiji_server.generations import schedule as schedules
from ruiji_server.generations.builder import BuildSettings
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.schedule import ChangeLimit, Schedule
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.embedding_tasks import EmbeddingTaskStore, FinishedTask
from ruiji_server.store.engine import Database
from ruiji_server.store.feed import FeedPositionError

from tests.support.catalogues import (
    ENCODER_ID,
    OTHER_ENCODER_ID,
    Catalogue,
    FilledStore,
    an_item,
    build,
    build_other,
    catalogue_of_two_encoders,
    embed_all,
    embed_waiting,
    fill_store,
)


@pytest.fixture
def store(tmp_path) -> FilledStore:
    folder = tmp_path / "filled"
    folder.mkdir()
    store = fill_store(folder, 100)
    yield store
    store.database.close()


def change(store: FilledStore, count: int, request: str) -> None:
    items = [replace(item, price=Price(7, "JPY"), picture=None) for item in store.items[:count]]
    CatalogueStore(store.database).upsert(request, "", items)


def is_due(
    database: Database, encoder_id: str, directory: GenerationDirectory, limit: ChangeLimit | None = None
) -> bool:
    """Return what a builder finds that has just started."""
    return Schedule(database, directory, limit or ChangeLimit()).is_due(encoder_id)


@pytest.fixture
def two(tmp_path) -> Iterator[Catalogue]:
    """Two encoders have embedded everything, the first is promoted, and each has a generation of everything."""
    folder = tmp_path / "two"
    folder.mkdir()
    with catalogue_of_two_encoders(folder) as catalogue:
        yield catalogue


def test_without_a_generation_two_embedded_items_are_enough(store, database, tmp_path):
    directory = GenerationDirectory(tmp_path / "generations")
    assert is_due(store.database, ENCODER_ID, directory, ChangeLimit(items=10_000))
    embed_all(database, {})
    assert not is_due(database, ENCODER_ID, directory)


@pytest.mark.parametrize("limit", [ChangeLimit(items=5), ChangeLimit(share=0.05), ChangeLimit.parse("5%")])
def test_a_new_one_is_due_once_so_many_items_changed(store, tmp_path, limit):
    directory, _ = build(store, tmp_path / "generations")
    schedule = Schedule(store.database, directory, limit)
    assert not schedule.is_due(ENCODER_ID)
    change(store, 4, "four")
    assert not schedule.is_due(ENCODER_ID)
    change(store, 5, "one more")
    assert schedule.is_due(ENCODER_ID)
    assert schedule.is_due(ENCODER_ID), "until it was built"
    build(store, directory.root)
    assert not schedule.is_due(ENCODER_ID)


def test_an_item_that_changed_often_counts_once(store, tmp_path):
    directory, _ = build(store, tmp_path / "generations")
    for number in range(6):
        items = [replace(store.items[0], price=Price(number + 1, "JPY"), picture=None)]
        CatalogueStore(store.database).upsert(f"again {number}", "", items)
    assert is_due(store.database, ENCODER_ID, directory, ChangeLimit(items=1))
    assert not is_due(store.database, ENCODER_ID, directory, ChangeLimit(items=2))


def test_an_encoder_that_is_not_promoted_is_built_again_only_when_something_changed_for_it(two):
    store, directory = two
    schedule = Schedule(store.database, directory, ChangeLimit())
    assert not schedule.is_due(ENCODER_ID)
    assert not schedule.is_due(OTHER_ENCODER_ID)
    for number in range(3):
        # No worker runs for the other encoder: a generation of it would hold the same.
        CatalogueStore(store.database).upsert(f"new {number}", "", [an_item(f"new-{number}")])
        assert not schedule.is_due(ENCODER_ID), "it is not embedded yet"
        assert not schedule.is_due(OTHER_ENCODER_ID)
        embed_waiting(store.database, ENCODER_ID, lambda _: store.vectors[0])
        assert schedule.is_due(ENCODER_ID)
        build(store, directory.root, BuildSettings(recall_sample=50))
        assert not schedule.is_due(ENCODER_ID)
        assert not schedule.is_due(OTHER_ENCODER_ID)
    CatalogueStore(store.database).delete(["new-0"])
    assert schedule.is_due(ENCODER_ID)
    assert not schedule.is_due(OTHER_ENCODER_ID)
    assert not is_due(store.database, OTHER_ENCODER_ID, directory), "a builder that starts anew finds the same"
    embed_waiting(store.database, OTHER_ENCODER_ID, lambda _: store.vectors[1])
    assert schedule.is_due(OTHER_ENCODER_ID)
    build_other(store, directory)
    assert not schedule.is_due(OTHER_ENCODER_ID)


@pytest.mark.parametrize("what", ["price", "picture", "deletion"])
def test_what_changes_an_item_of_the_generation_counts_for_every_encoder(two, what):
    store, directory = two
    item = store.items[3]
    match what:
        case "price":
            change(store, 1, "price")
        case "picture":
            CatalogueStore(store.database).upsert("picture", "", [replace(item, picture=an_item().picture)])
        case "deletion":
            CatalogueStore(store.database).delete([item.item_id])
    assert is_due(store.database, ENCODER_ID, directory)
    assert is_due(store.database, OTHER_ENCODER_ID, directory)


def test_a_generation_does_not_fall_behind_for_ever(two, monkeypatch):
    monkeypatch.setattr(schedules, "_PASSED_OVER_AT_MOST", 3)
    store, directory = two
    schedule = Schedule(store.database, directory, ChangeLimit())
    for number in range(3):
        assert not schedule.is_due(OTHER_ENCODER_ID)
        CatalogueStore(store.database).upsert(f"new {number}", "", [an_item(f"new-{number}")])
    assert schedule.is_due(OTHER_ENCODER_ID)
    build_other(store, directory)
    assert not schedule.is_due(OTHER_ENCODER_ID)


def test_embeddings_of_another_encoder_are_no_change(store, tmp_path):
    directory, _ = build(store, tmp_path / "generations")
    tasks = EmbeddingTaskStore(store.database, OTHER_ENCODER_ID)
    tasks.register_encoder("other", 128)
    claimed = tasks.claim(100, 60.0)
    tasks.finish([FinishedTask(task.item_id, task.picture_sha256, store.vectors[0]) for task in claimed])
    assert not is_due(store.database, ENCODER_ID, directory)


@pytest.mark.parametrize("file", ["manifest.json", "id_hashes.npy"])
@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"")], ids=["missing", "empty"])
def test_a_damaged_generation_is_replaced_at_once(store, tmp_path, file, harm):
    directory, manifest = build(store, tmp_path / "generations")
    change(store, 1, "something to look up")
    harm(directory.folder(manifest.generation_id) / file)
    assert is_due(store.database, ENCODER_ID, directory, ChangeLimit(items=10_000))


def test_a_generation_of_another_store_is_said(store, database, tmp_path):
    directory, _ = build(store, tmp_path / "generations")
    embed_all(database, {})
    with pytest.raises(FeedPositionError):
        is_due(database, ENCODER_ID, directory)


@pytest.mark.parametrize("text", ["", "0", "0%", "-5", "many", "1.5", "5 %%"])
def test_a_limit_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="5000"):
        ChangeLimit.parse(text)
