from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from ruiji_server.domain.errors import Unavailable
from ruiji_server.domain.items import ItemState, PictureContent, Price
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.embedding_tasks import EmbeddingTaskStore, FinishedTask
from ruiji_server.store.engine import Database, open_database
from ruiji_server.store.feed import FeedEntry, FeedPositionError, FeedReader, append_changes
from ruiji_server.store.feed_watch import watch_feed
from ruiji_server.store.snapshot import UnknownEncoder, open_snapshot

from tests.support.catalogues import DIMENSIONS, ENCODER_ID, an_item, png
from tests.support.postgresql import run_postgresql

OTHER_ENCODER_ID = "enc-ffffffffffffffff"
VECTOR = np.eye(1, DIMENSIONS, dtype=np.float32)[0]
LONG_S = 30.0


@pytest.fixture
def store(database: Database) -> CatalogueStore:
    return CatalogueStore(database)


@pytest.fixture
def tasks(database: Database) -> EmbeddingTaskStore:
    tasks = EmbeddingTaskStore(database, ENCODER_ID)
    tasks.register_encoder("formula", DIMENSIONS)
    return tasks


@pytest.fixture
def reader(database: Database) -> FeedReader:
    return FeedReader(database)


def finish_all(tasks: EmbeddingTaskStore) -> None:
    claimed = tasks.claim(100, 60.0)
    tasks.finish([FinishedTask(task.item_id, task.picture_sha256, VECTOR) for task in claimed])


def test_changes_come_in_order_and_each_once(store, reader):
    store.upsert("1", "", [an_item("a"), an_item("b")])
    store.upsert("2", "", [an_item("a", title="x")])
    store.delete(["b"])
    entries, position = reader.changes_since(0, 100)
    assert [entry.item_id for entry in entries[:2]] in (["a", "b"], ["b", "a"])
    assert [entry.item_id for entry in entries[2:]] == ["a", "b"]
    assert [entry.position for entry in entries] == sorted({entry.position for entry in entries})
    assert position == entries[-1].position == reader.last_position()
    assert reader.changes_since(position, 100) == ([], position)


def test_a_reader_goes_on_where_its_limit_stopped_it(store, reader):
    store.upsert("1", "", [an_item(item_id) for item_id in "abcde"])
    seen: list[FeedEntry] = []
    position = 0
    while entries := (answer := reader.changes_since(position, 2))[0]:
        assert len(entries) <= 2
        seen += entries
        position = answer[1]
    assert sorted(entry.item_id for entry in seen) == list("abcde")


def test_whoever_has_read_up_to_the_answers_position_has_seen_the_batch(store, reader):
    for number in range(3):
        position = store.upsert(str(number), "", [an_item("a", title=str(number))]).feed_position
        entries, _ = reader.changes_since(0, 100)
        assert entries[-1].position == position
    assert store.upsert("again", "", [an_item("a", title="2")]).feed_position == position


def test_numbers_that_were_never_committed_stop_nobody(store, database, reader):
    store.upsert("1", "", [an_item("a")])
    with database.write() as connection:
        append_changes(connection, ["never"])
        connection.rollback()
    store.upsert("2", "", [an_item("b")])
    entries, _ = reader.changes_since(0, 100)
    assert [entry.item_id for entry in entries] == ["a", "b"]


def test_a_position_from_the_future_is_refused(store, reader):
    position = store.upsert("1", "", [an_item("a")]).feed_position
    with pytest.raises(FeedPositionError, match=r"before position .*Build the index again"):
        reader.changes_since(position + 1, 100)


def test_an_items_state_comes_with_its_change(store, tasks, reader):
    store.upsert("1", "", [an_item(item_id) for item_id in ("deleted", "embedded", "repictured")])
    finish_all(tasks)
    store.upsert("2", "", [an_item("waiting"), an_item("repictured", picture=PictureContent(png((1, 2, 3))))])
    store.upsert("3", "", [an_item("embedded", price=Price(7, "USD"), state=ItemState.SOLD)])
    store.delete(["deleted"])
    changed, position = reader.changed_items(ENCODER_ID, 0, 100)
    assert position == reader.last_position()
    states = {change.item_id: change for change in changed}
    assert len(changed) == len(states) == 4
    assert {item_id: change.present for item_id, change in states.items()} == {
        "deleted": False, "embedded": True, "repictured": True, "waiting": True,
    }  # fmt: skip
    assert [item_id for item_id, change in states.items() if change.item is not None] == ["embedded"]
    item = states["embedded"].item
    assert (item.price_minor, item.currency, item.state) == (7, "USD", ItemState.SOLD)
    np.testing.assert_array_equal(item.vector, VECTOR)
    assert states["deleted"].position == position


def test_embeddings_of_another_encoder_are_no_change(store, tasks, database, reader):
    store.upsert("1", "", [an_item("a")])
    position = reader.last_position()
    other = EmbeddingTaskStore(database, OTHER_ENCODER_ID)
    other.register_encoder("other", DIMENSIONS)
    finish_all(other)
    assert reader.changed_items(ENCODER_ID, position, 100) == ([], position + 1)
    [change], _ = reader.changed_items(OTHER_ENCODER_ID, position, 100)
    assert change.item is not None


def test_changes_for_an_unregistered_encoder_are_refused(reader):
    with pytest.raises(UnknownEncoder, match="enc-nobody"):
        reader.changed_items("enc-nobody", 0, 100)


def test_a_snapshot_and_the_feed_from_its_position_on_are_the_whole_catalogue(store, tasks, database, reader):
    store.upsert("1", "", [an_item("a"), an_item("b")])
    finish_all(tasks)
    with open_snapshot(database, ENCODER_ID) as snapshot:
        store.upsert("2", "", [an_item("c")])
        finish_all(tasks)
        store.delete(["a"])
        known = {item.item_id for item in snapshot.items()}
    assert known == {"a", "b"}
    changed, _ = reader.changed_items(ENCODER_ID, snapshot.feed_position, 100)
    for change in changed:
        (known.discard if change.item is None else known.add)(change.item_id)
    assert known == {"b", "c"}


def test_a_waiting_reader_is_woken_by_a_commit_of_another_process(store_url, store, database):
    other = open_database(store_url)
    woken: list[bool] = []
    with watch_feed(database) as watch:
        assert not watch.wait(0, timeout_s=0.01)
        waiting = threading.Thread(target=lambda: woken.append(watch.wait(0, timeout_s=LONG_S)))
        waiting.start()
        CatalogueStore(other).upsert("1", "", [an_item("a")])
        waiting.join(LONG_S)
        assert woken == [True]
    other.close()


def test_what_comes_between_two_waits_is_not_missed(store, database):
    with watch_feed(database) as watch:
        position = 0
        for number in range(3):
            store.upsert(str(number), "", [an_item("a", title=str(number))])
            assert watch.wait(position, timeout_s=LONG_S)
            position += 1
        assert not watch.wait(position, timeout_s=0.01)


def test_a_commit_that_changes_no_item_ends_no_wait(store, tasks, database):
    store.upsert("1", "", [an_item("a")])
    with watch_feed(database) as watch:
        assert watch.wait(0, timeout_s=LONG_S)
        tasks.claim(1, 60.0)
        assert not watch.wait(1, timeout_s=0.05)


def test_a_wait_survives_a_restart_of_the_server():
    with run_postgresql() as server:
        database = open_database(server.create_database(), create=True)
        store = CatalogueStore(database)
        with watch_feed(database) as watch:
            assert not watch.wait(0, timeout_s=0.0)
            server.kill()
            with pytest.raises(Unavailable):
                watch.wait(0, timeout_s=LONG_S)
            with pytest.raises(Unavailable):
                store.upsert("1", "", [an_item("a")])
            server.start()
            position = store.upsert("1", "", [an_item("a")]).feed_position
            assert watch.wait(0, timeout_s=LONG_S)
            assert FeedReader(database).last_position() == position
        database.close()


def test_a_wait_ends_in_time_when_nothing_comes(database):
    with watch_feed(database) as watch:
        began = time.monotonic()
        assert not watch.wait(0, timeout_s=0.05)
        assert time.monotonic() - began >= 0.05
