"""A builder that goes on for ever builds when enough changed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ruiji_server.domain.items import Price
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.schedule import Backoff, ChangeLimit, changed_since, is_due
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.embedding_tasks import EmbeddingTaskStore
from ruiji_server.store.feed import FeedPositionError, FeedReader

from tests.support.catalogues import ENCODER_ID, FilledStore, build, embed_all, fill_store


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


def test_without_a_generation_two_embedded_items_are_enough(store, database, tmp_path):
    directory = GenerationDirectory(tmp_path / "generations")
    assert is_due(store.database, ENCODER_ID, directory, ChangeLimit(items=10_000))
    embed_all(database, {})
    assert not is_due(database, ENCODER_ID, directory, ChangeLimit())


@pytest.mark.parametrize("limit", [ChangeLimit(items=5), ChangeLimit(share=0.05), ChangeLimit.parse("5%")])
def test_a_new_one_is_due_once_so_many_items_changed(store, tmp_path, limit):
    directory, _ = build(store, tmp_path / "generations")
    assert not is_due(store.database, ENCODER_ID, directory, limit)
    change(store, 4, "four")
    assert not is_due(store.database, ENCODER_ID, directory, limit)
    change(store, 5, "one more")
    assert is_due(store.database, ENCODER_ID, directory, limit)
    build(store, directory.root)
    assert not is_due(store.database, ENCODER_ID, directory, limit)


def test_an_item_that_changed_often_counts_once(store):
    before = FeedReader(store.database).last_position()
    for number in range(6):
        items = [replace(store.items[0], price=Price(number + 1, "JPY"), picture=None)]
        CatalogueStore(store.database).upsert(f"again {number}", "", items)
    assert changed_since(store.database, ENCODER_ID, before, at_most=100) == 1


def test_embeddings_of_another_encoder_are_no_change(store, tmp_path):
    directory, manifest = build(store, tmp_path / "generations")
    other = "enc-ffffffffffffffff"
    tasks = EmbeddingTaskStore(store.database, other)
    tasks.register_encoder("other", 128)
    claimed = tasks.claim(100, 60.0)
    from ruiji_server.store.embedding_tasks import FinishedTask

    tasks.finish([FinishedTask(task.item_id, task.picture_sha256, store.vectors[0]) for task in claimed])
    assert changed_since(store.database, other, manifest.feed_position, at_most=1_000) == 100
    assert not is_due(store.database, ENCODER_ID, directory, ChangeLimit())


def test_a_damaged_generation_is_replaced_at_once(store, tmp_path):
    directory, manifest = build(store, tmp_path / "generations")
    (directory.folder(manifest.generation_id) / "manifest.json").unlink()
    assert is_due(store.database, ENCODER_ID, directory, ChangeLimit(items=10_000))


def test_a_generation_of_another_store_is_said(store, database, tmp_path):
    directory, _ = build(store, tmp_path / "generations")
    embed_all(database, {})
    with pytest.raises(FeedPositionError):
        is_due(database, ENCODER_ID, directory, ChangeLimit())


@pytest.mark.parametrize("text", ["", "0", "0%", "-5", "many", "1.5", "5 %%"])
def test_a_limit_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="5000"):
        ChangeLimit.parse(text)


def test_an_encoder_whose_builds_fail_pauses_longer_and_longer_and_others_do_not():
    backoff = Backoff(first_s=5.0, most_s=15.0)
    assert [backoff.failed("a", 0.0) for _ in range(4)] == [5.0, 10.0, 15.0, 15.0]
    assert backoff.is_pausing("a", 14.9)
    assert not backoff.is_pausing("a", 15.0)
    assert not backoff.is_pausing("b", 0.0)
    backoff.succeeded("a")
    assert not backoff.is_pausing("a", 0.0)
    assert backoff.failed("a", 0.0) == 5.0
