"""An encoder is replaced step by step; each step happens wholly or not at all, and is remembered."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from ruiji_server.domain.items import PictureContent
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.embedded_items import UnknownEncoder
from ruiji_server.store.embedding_tasks import EmbeddingTaskStore, FinishedTask
from ruiji_server.store.encoder_history import Change, encoder_history
from ruiji_server.store.encoders import (
    EncoderState,
    EncoderStateError,
    active_encoders,
    register_encoder,
    registered_encoders,
)
from ruiji_server.store.engine import Database
from ruiji_server.store.retired import count_left, delete_embeddings, delete_tasks
from ruiji_server.store.rollout import Promotion, promote, retire, roll_back, set_rate, set_share
from ruiji_server.store.schema import encoders
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from tests.support.catalogues import DIMENSIONS, an_item, png

OLD, NEW, THIRD = "enc-000000000000000a", "enc-000000000000000b", "enc-000000000000000c"
VECTOR = np.eye(1, DIMENSIONS, dtype=np.float32)[0]
LEASE_S = 60.0


@pytest.fixture
def store(database: Database) -> Database:
    """A store with three items and two encoders, of which the first is promoted and has embedded all."""
    CatalogueStore(database).upsert("1", "", [an_item("a"), an_item("b"), an_item("c")])
    register_encoder(database, OLD, "old", DIMENSIONS)
    embed(database, OLD)
    register_encoder(database, NEW, "new", DIMENSIONS)
    return database


def states(database: Database) -> dict[str, EncoderState]:
    return {encoder.encoder_id: encoder.state for encoder in registered_encoders(database)}


def shares(database: Database) -> dict[str, float]:
    return {encoder.encoder_id: encoder.request_share for encoder in registered_encoders(database)}


def embed(database: Database, encoder_id: str, limit: int = 100) -> list[str]:
    tasks = EmbeddingTaskStore(database, encoder_id)
    claimed = tasks.claim(limit, LEASE_S)
    tasks.finish([FinishedTask(task.item_id, task.picture_sha256, VECTOR) for task in claimed])
    return sorted(task.item_id for task in claimed)


def test_the_first_encoder_is_promoted_and_later_ones_are_not(store):
    assert states(store) == {OLD: EncoderState.PROMOTED, NEW: EncoderState.ACTIVE}


def test_the_promoted_encoder_comes_first_for_workers(store):
    promote(store, NEW)
    assert [encoder.encoder_id for encoder in active_encoders(store)] == [NEW, OLD]


def test_promoting_keeps_the_old_encoder_active_and_takes_away_shares_and_the_bound(store):
    set_share(store, NEW, 0.25)
    set_rate(store, NEW, 5.0)
    assert promote(store, NEW) == Promotion(promoted=NEW, before=OLD)
    assert states(store) == {OLD: EncoderState.ACTIVE, NEW: EncoderState.PROMOTED}
    assert shares(store) == {OLD: 0.0, NEW: 0.0}
    assert {encoder.rate_per_s for encoder in registered_encoders(store)} == {None}


def test_rolling_back_promotes_what_was_promoted_before(store):
    register_encoder(store, THIRD, "third", DIMENSIONS)
    promote(store, NEW)
    promote(store, THIRD)
    assert roll_back(store) == Promotion(promoted=NEW, before=THIRD)
    assert roll_back(store) == Promotion(promoted=OLD, before=NEW)
    with pytest.raises(EncoderStateError, match="nothing to roll back to"):
        roll_back(store)


def test_a_rollback_never_returns_to_a_retired_encoder(store):
    promote(store, NEW)
    retire(store, OLD)
    with pytest.raises(EncoderStateError, match="nothing to roll back to"):
        roll_back(store)
    with pytest.raises(EncoderStateError, match="--revive"):
        promote(store, OLD)


def test_promoting_twice_changes_nothing_and_a_rollback_still_finds_the_way(store):
    promote(store, NEW)
    assert promote(store, NEW) == Promotion(promoted=NEW, before=NEW)
    assert roll_back(store).promoted == OLD


def test_a_store_never_has_two_promoted_encoders(store):
    with pytest.raises(IntegrityError), store.write() as connection:
        connection.execute(update(encoders).where(encoders.c.encoder_id == NEW).values(state="promoted"))


def test_promotions_at_the_same_time_leave_exactly_one_promoted(store):
    register_encoder(store, THIRD, "third", DIMENSIONS)
    failures: list[Exception] = []

    def toggle(encoder_id: str) -> None:
        try:
            for _ in range(10):
                promote(store, encoder_id)
        except Exception as error:  # noqa: BLE001  (a thread's failure must reach the test)
            failures.append(error)

    threads = [threading.Thread(target=toggle, args=(encoder_id,)) for encoder_id in (OLD, NEW, THIRD)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert list(states(store).values()).count(EncoderState.PROMOTED) == 1


def test_shares_never_add_up_to_more_than_all_requests(store):
    register_encoder(store, THIRD, "third", DIMENSIONS)
    set_share(store, NEW, 0.7)
    with pytest.raises(EncoderStateError, match=r"others? .*0\.7"):
        set_share(store, THIRD, 0.4)
    set_share(store, THIRD, 0.3)
    set_share(store, NEW, 0.1)
    assert shares(store) == {OLD: 0.0, NEW: 0.1, THIRD: 0.3}


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_between_nothing_and_everything(store, share):
    with pytest.raises(EncoderStateError, match="between 0 and 1"):
        set_share(store, NEW, share)


def test_the_promoted_encoder_has_neither_share_nor_bound(store):
    with pytest.raises(EncoderStateError, match="is promoted"):
        set_share(store, OLD, 0.5)
    with pytest.raises(EncoderStateError, match="is promoted"):
        set_rate(store, OLD, 5.0)


@pytest.mark.parametrize("change", [promote, retire, lambda store, other: set_share(store, other, 0.1)])
def test_an_encoder_that_was_never_registered_is_named_and_nothing_is_done(store, change):
    before = encoder_history(store, 100)
    with pytest.raises(UnknownEncoder, match=f"{THIRD} is not registered.*ruiji encoder"):
        change(store, THIRD)
    assert encoder_history(store, 100) == before


def test_the_promoted_encoder_cannot_be_retired(store):
    with pytest.raises(EncoderStateError, match="promote another first"):
        retire(store, OLD)


def test_a_retired_encoder_gets_no_work_and_new_listings_do_not_wait_for_it(store):
    retire(store, NEW)
    CatalogueStore(store).upsert("2", "", [an_item("d")])
    assert embed(store, NEW) == []
    assert embed(store, OLD) == ["d"]
    assert [status.encoder_id for status in CatalogueStore(store).get("d").embeddings] == [OLD]
    assert count_left(store, NEW) == (3, 0)


def test_an_embedding_under_way_when_its_encoder_is_retired_is_dropped(store):
    tasks = EmbeddingTaskStore(store, NEW)
    claimed = tasks.claim(10, LEASE_S)
    retire(store, NEW)
    tasks.finish([FinishedTask(task.item_id, task.picture_sha256, VECTOR) for task in claimed])
    assert count_left(store, NEW) == (3, 0)


def test_what_a_retired_encoder_left_is_deleted_bit_by_bit_and_nothing_else(store, monkeypatch):
    monkeypatch.setattr("ruiji_server.store.retired._ROWS_AT_ONCE", 2)
    embed(store, OLD)
    embed(store, NEW, limit=2)
    retire(store, NEW)
    steps: list[int] = []
    assert delete_tasks(store, NEW) == 1
    assert delete_embeddings(store, NEW, steps.append) == 2
    CatalogueStore(store).upsert("2", "", [an_item("d")])
    assert steps == [2]
    assert count_left(store, NEW) == (0, 0)
    assert count_left(store, OLD) == (1, 3)


def test_only_a_retired_encoders_embeddings_are_deleted(store):
    embed(store, NEW)
    for delete in (delete_tasks, delete_embeddings):
        with pytest.raises(EncoderStateError, match="ruiji encoder retire"):
            delete(store, NEW)
    assert count_left(store, NEW) == (0, 3)


def test_a_worker_does_not_revive_a_retired_encoder_by_registering_it(store):
    retire(store, NEW)
    with pytest.raises(EncoderStateError, match="--revive"):
        register_encoder(store, NEW, "new", DIMENSIONS)
    assert states(store)[NEW] == EncoderState.RETIRED


def test_a_revived_encoder_embeds_what_it_lacks_and_what_was_changed_meanwhile(store):
    embed(store, NEW)
    retire(store, NEW)
    CatalogueStore(store).upsert("2", "", [an_item("d"), an_item("b", picture=PictureContent(png((1, 2, 3))))])
    register_encoder(store, NEW, "new", DIMENSIONS, revive=True)
    assert states(store)[NEW] == EncoderState.ACTIVE
    assert embed(store, NEW) == ["b", "d"]


def test_an_encoder_is_not_revived_while_tasks_of_old_are_left(store):
    retire(store, NEW)
    with pytest.raises(EncoderStateError, match="ruiji encoder retire"):
        register_encoder(store, NEW, "new", DIMENSIONS, revive=True)
    delete_tasks(store, NEW)
    register_encoder(store, NEW, "new", DIMENSIONS, revive=True)
    assert embed(store, NEW) == ["a", "b", "c"]


def test_everything_that_was_done_is_remembered_with_its_time(store):
    set_share(store, NEW, 0.1)
    set_rate(store, NEW, 20.0)
    promote(store, NEW)
    roll_back(store)
    retire(store, NEW)
    delete_tasks(store, NEW)
    register_encoder(store, NEW, "new", DIMENSIONS, revive=True)
    history = encoder_history(store, 100)
    assert [(change.encoder_id, change.change, change.detail) for change in reversed(history)] == [
        (OLD, Change.REGISTERED, f"old, {DIMENSIONS} dimensions, promoted"),
        (NEW, Change.REGISTERED, f"new, {DIMENSIONS} dimensions, active"),
        (NEW, Change.SHARE_SET, "0.1"),
        (NEW, Change.RATE_SET, "20 pictures a second"),
        (NEW, Change.PROMOTED, f"over {OLD}"),
        (OLD, Change.ROLLED_BACK, f"from {NEW}"),
        (NEW, Change.RETIRED, ""),
        (NEW, Change.TASKS_DELETED, "3"),
        (NEW, Change.REVIVED, ""),
    ]
    times = [change.changed_at_us for change in history]
    assert times == sorted(times, reverse=True)
    assert encoder_history(store, 1, OLD)[0].change == Change.ROLLED_BACK


def test_retiring_while_embeddings_are_stored_leaves_none_that_came_later(store):
    """Who stores embeddings and who retires never overlap: what is counted after retiring never grows."""
    shop = CatalogueStore(store)
    shop.upsert("many", "", [an_item(f"item-{number:03d}") for number in range(200)])
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            embed(store, NEW, limit=5)

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    retire(store, NEW)
    left = count_left(store, NEW)
    stop.set()
    for worker in workers:
        worker.join()
    assert count_left(store, NEW) == left
    with store.read() as connection:
        assert connection.execute(select(func.count()).select_from(encoders)).scalar_one() == 2
