from __future__ import annotations

import numpy as np
import pytest
from ruiji_server.domain.errors import NotReady, Reason
from ruiji_server.domain.items import PictureContent, Price
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.embedding_tasks import Backlog, EmbeddingTaskStore, FailedTask, FinishedTask
from ruiji_server.store.engine import Database
from ruiji_server.store.snapshot import UnknownEncoder, open_snapshot

from tests.support.catalogues import DIMENSIONS, ENCODER_ID, an_item, png

VECTOR = np.eye(1, DIMENSIONS, dtype=np.float32)[0]
LEASE_S = 60.0


@pytest.fixture
def store(database: Database) -> CatalogueStore:
    return CatalogueStore(database)


@pytest.fixture
def tasks(database: Database) -> EmbeddingTaskStore:
    tasks = EmbeddingTaskStore(database, ENCODER_ID)
    tasks.register_encoder("formula", DIMENSIONS)
    return tasks


def finish_all(tasks: EmbeddingTaskStore) -> int:
    claimed = tasks.claim(100, LEASE_S)
    tasks.finish([FinishedTask(task.item_id, task.picture_sha256, VECTOR) for task in claimed])
    return len(claimed)


def test_a_new_item_waits_for_every_registered_encoder(store, tasks, database):
    other = EmbeddingTaskStore(database, "enc-ffffffffffffffff")
    other.register_encoder("other", DIMENSIONS)
    store.upsert("1", "", [an_item()])
    assert tasks.backlog() == other.backlog() == Backlog(waiting=1, parked=0)


def test_a_new_encoder_gets_a_task_for_every_item_that_is_there(store, database):
    store.upsert("1", "", [an_item("a"), an_item("b")])
    tasks = EmbeddingTaskStore(database, ENCODER_ID)
    tasks.register_encoder("formula", DIMENSIONS)
    assert {task.item_id for task in tasks.claim(10, LEASE_S)} == {"a", "b"}


def test_registering_twice_changes_nothing(store, tasks):
    store.upsert("1", "", [an_item()])
    finish_all(tasks)
    tasks.register_encoder("formula", DIMENSIONS)
    assert tasks.backlog().waiting == 0


def test_a_claimed_task_is_nobody_elses_until_its_lease_ends(store, tasks):
    store.upsert("1", "", [an_item("a"), an_item("b"), an_item("c")])
    first = tasks.claim(2, LEASE_S)
    assert len(first) == 2
    assert len(tasks.claim(10, LEASE_S)) == 1
    assert tasks.claim(10, LEASE_S) == []


def test_a_dead_workers_tasks_go_to_another(store, tasks):
    store.upsert("1", "", [an_item()])
    tasks.claim(1, lease_s=0.0)
    assert len(tasks.claim(1, LEASE_S)) == 1


def test_a_finished_task_is_an_embedding(store, tasks):
    store.upsert("1", "", [an_item()])
    assert finish_all(tasks) == 1
    assert tasks.backlog() == Backlog(waiting=0, parked=0)
    np.testing.assert_array_equal(tasks.vector("a"), VECTOR)


def test_finishing_twice_does_no_harm(store, tasks, database):
    store.upsert("1", "", [an_item()])
    [task] = tasks.claim(1, LEASE_S)
    for _ in range(2):
        tasks.finish([FinishedTask("a", task.picture_sha256, VECTOR)])
    with open_snapshot(database, ENCODER_ID) as snapshot:
        assert [item.item_id for item in snapshot.items()] == ["a"]


def test_a_changed_price_embeds_nothing(store, tasks):
    store.upsert("1", "", [an_item()])
    finish_all(tasks)
    store.upsert("2", "", [an_item(price=Price(5, "JPY"))])
    assert tasks.backlog().waiting == 0
    np.testing.assert_array_equal(tasks.vector("a"), VECTOR)


def test_a_changed_picture_is_embedded_again_and_the_old_embedding_is_not_used(store, tasks, database):
    store.upsert("1", "", [an_item()])
    finish_all(tasks)
    store.upsert("2", "", [an_item(picture=PictureContent(png((1, 2, 3))))])
    assert tasks.backlog().waiting == 1
    with pytest.raises(NotReady) as caught:
        tasks.vector("a")
    assert caught.value.reason == Reason.EMBEDDING_PENDING
    with open_snapshot(database, ENCODER_ID) as snapshot:
        assert snapshot.count == 0


def test_an_embedding_of_a_picture_that_was_replaced_meanwhile_is_dropped(store, tasks):
    store.upsert("1", "", [an_item()])
    [late] = tasks.claim(1, LEASE_S)
    store.upsert("2", "", [an_item(picture=PictureContent(png((1, 2, 3))))])
    tasks.finish([FinishedTask("a", late.picture_sha256, VECTOR)])
    assert tasks.backlog().waiting == 1


def test_an_embedding_of_a_deleted_item_is_dropped(store, tasks, database):
    store.upsert("1", "", [an_item()])
    [late] = tasks.claim(1, LEASE_S)
    store.delete(["a"])
    tasks.finish([FinishedTask("a", late.picture_sha256, VECTOR)])
    with open_snapshot(database, ENCODER_ID) as snapshot:
        assert snapshot.count == 0


def test_a_failure_that_may_pass_is_tried_again_later(store, tasks):
    store.upsert("1", "", [an_item()])
    [task] = tasks.claim(1, LEASE_S)
    tasks.fail([FailedTask("a", task.picture_sha256, Reason.PICTURE_UNREACHABLE, "gone", retry_after_s=0.0)])
    [again] = tasks.claim(1, LEASE_S)
    assert again.attempts == 1
    tasks.fail([FailedTask("a", task.picture_sha256, Reason.PICTURE_UNREACHABLE, "gone", retry_after_s=3600.0)])
    assert tasks.claim(1, LEASE_S) == []


def test_a_hopeless_picture_is_parked_with_its_reason_until_someone_asks_again(store, tasks):
    store.upsert("1", "", [an_item()])
    [task] = tasks.claim(1, LEASE_S)
    tasks.fail([FailedTask("a", task.picture_sha256, Reason.PICTURE_UNREADABLE, "no picture", retry_after_s=None)])
    assert tasks.backlog() == Backlog(waiting=0, parked=1)
    [status] = store.get("a").embeddings
    assert (status.parked, status.reason, status.attempts) == (True, Reason.PICTURE_UNREADABLE, 1)
    with pytest.raises(NotReady, match="no picture") as caught:
        tasks.vector("a")
    assert caught.value.reason == Reason.EMBEDDING_FAILED
    assert [parked.item_id for parked in tasks.parked(10)] == ["a"]
    assert tasks.unpark() == 1
    assert len(tasks.claim(1, LEASE_S)) == 1


def test_a_released_task_is_due_at_once_and_keeps_its_tries(store, tasks):
    store.upsert("1", "", [an_item()])
    tasks.release(tasks.claim(1, LEASE_S))
    [task] = tasks.claim(1, LEASE_S)
    assert task.attempts == 0


def test_a_snapshot_is_in_the_order_of_the_ids_bytes(store, tasks, database):
    ids = ["z", "é", "a", "𝄞", "Z", "靴"]
    store.upsert("1", "", [an_item(item_id) for item_id in ids])
    finish_all(tasks)
    with open_snapshot(database, ENCODER_ID) as snapshot:
        assert [item.item_id for item in snapshot.items()] == sorted(ids, key=str.encode)


def test_a_snapshot_does_not_see_what_is_written_after_it(store, tasks, database):
    store.upsert("1", "", [an_item("a")])
    finish_all(tasks)
    with open_snapshot(database, ENCODER_ID) as snapshot:
        store.upsert("2", "", [an_item("b")])
        finish_all(tasks)
        assert [item.item_id for item in snapshot.items()] == ["a"]
        assert snapshot.count == 1


def test_a_snapshot_of_an_unregistered_encoder_is_refused(database):
    with pytest.raises(UnknownEncoder, match="enc-nobody"), open_snapshot(database, "enc-nobody"):
        pass
