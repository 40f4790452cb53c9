"""A catalogue is embedded again in the background: at a bounded rate, behind new listings, and one can see how far."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruiji_server.domain.errors import Reason
from ruiji_server.store import clock, pacing
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.embedded_items import UnknownEncoder
from ruiji_server.store.embedding_progress import embedding_progress
from ruiji_server.store.embedding_tasks import EmbeddingTaskStore, FailedTask, FinishedTask
from ruiji_server.store.encoders import register_encoder
from ruiji_server.store.engine import Database, open_database
from ruiji_server.store.pacing import pace_of
from ruiji_server.store.rollout import retire, set_rate

from tests.support.catalogues import DIMENSIONS, an_item

OLD, NEW = "enc-000000000000000a", "enc-000000000000000b"
VECTOR = np.eye(1, DIMENSIONS, dtype=np.float32)[0]
ITEMS = 300
START_US = 10**15


@pytest.fixture
def store(database: Database) -> Database:
    """Everything is embedded by the promoted encoder and nothing by the new one."""
    CatalogueStore(database).upsert("1", "", [an_item(f"item-{number:03d}") for number in range(ITEMS)])
    register_encoder(database, OLD, "old", DIMENSIONS)
    register_encoder(database, NEW, "new", DIMENSIONS)
    assert embed(database, OLD) == ITEMS
    return database


def embed(database: Database, encoder_id: str, limit: int = 1_000) -> int:
    tasks = EmbeddingTaskStore(database, encoder_id)
    claimed = tasks.claim(limit, 60.0)
    tasks.finish([FinishedTask(task.item_id, task.picture_sha256, VECTOR) for task in claimed])
    return len(claimed)


def take(database: Database, now_us: int, wanted: int = 1_000) -> int:
    """Take as many pictures as the rate allows at a moment."""
    with database.write() as connection:
        pace = pace_of(connection, NEW, now_us)
        if pace is None:
            return wanted
        taken = min(wanted, pace.allowed)
        pace.used(connection, taken)
        return taken


def test_without_a_bound_everything_may_be_taken(store):
    assert take(store, START_US) == 1_000


@pytest.mark.parametrize("rate", [0.25, 3.0, 999.0])
def test_over_time_all_workers_together_take_what_the_rate_allows(store, rate):
    set_rate(store, NEW, rate)
    seconds, step_us = 12, 500_000
    taken = sum(take(store, START_US + at) for at in range(0, seconds * 1_000_000, step_us))
    most_kept = max(1.0, rate)
    assert rate * (seconds - 1) - 1 <= taken <= rate * seconds + most_kept + 1


def test_what_was_not_used_for_long_is_not_made_up_for_at_once(store):
    set_rate(store, NEW, 10.0)
    take(store, START_US)
    assert take(store, START_US + 3_600_000_000) == 10


def test_a_clock_that_was_ahead_stops_nobody(store):
    set_rate(store, NEW, 10.0)
    take(store, START_US + 3_600_000_000)
    assert take(store, START_US) == 0, "the wrong moment is forgotten here"
    assert take(store, START_US + 1_000_000) == 10


@settings(max_examples=15, deadline=None)
@given(
    rate=st.floats(0.1, 500),
    steps=st.lists(st.tuples(st.integers(1, 3_000_000), st.integers(0, 100)), min_size=1, max_size=8),
)
def test_whatever_is_asked_for_and_when_the_rate_is_never_exceeded(tmp_path_factory, rate, steps):
    database = open_database(f"sqlite:///{tmp_path_factory.mktemp('pace') / 'store.sqlite'}", create=True)
    register_encoder(database, OLD, "old", DIMENSIONS)
    register_encoder(database, NEW, "new", DIMENSIONS)
    set_rate(database, NEW, rate)
    now_us, taken = START_US, 0
    for pause_us, wanted in steps:
        now_us += pause_us
        taken += take(database, now_us, wanted)
    database.close()
    assert taken <= rate * (now_us - START_US) / 1e6 + max(1.0, rate) + 1e-3


def test_a_claim_takes_no_more_than_the_rate_allows(store, monkeypatch):
    set_rate(store, NEW, 20.0)
    assert embed(store, NEW) == 20


def test_while_new_listings_wait_the_background_only_trickles(store):
    assert embed(store, NEW, 50) == 50
    CatalogueStore(store).upsert("2", "", [an_item("new")])
    assert embed(store, NEW, 50) == pacing._TRICKLE_PER_S
    assert embed(store, OLD) == 1
    assert embed(store, NEW, 50) == 50


def test_the_promoted_encoder_never_waits_for_the_background(store):
    set_rate(store, NEW, 0.001)
    embed(store, NEW)
    CatalogueStore(store).upsert("2", "", [an_item(f"new-{number}") for number in range(50)])
    assert embed(store, OLD) == 50


def test_an_encoder_that_was_never_registered_gets_no_work_and_says_so(store):
    for encoder_id in ("enc-nobody", ""):
        with pytest.raises(UnknownEncoder, match="not registered"):
            EmbeddingTaskStore(store, encoder_id).claim(1, 60.0)
        with pytest.raises(UnknownEncoder, match="not registered"):
            embedding_progress(store, encoder_id)


def test_progress_counts_what_is_done_waits_and_was_given_up(store):
    tasks = EmbeddingTaskStore(store, NEW)
    embed(store, NEW, 100)
    [bad] = tasks.claim(1, 60.0)
    tasks.fail([FailedTask(bad.item_id, bad.picture_sha256, Reason.PICTURE_UNREADABLE, "no picture", None)])
    progress = embedding_progress(store, NEW)
    assert (progress.total, progress.done, progress.waiting, progress.parked) == (ITEMS, 100, ITEMS - 101, 1)
    assert progress.done_share == pytest.approx(100 / (ITEMS - 1))
    assert embedding_progress(store, OLD).done_share == 1.0


def test_the_estimate_is_what_remains_at_the_rate_of_the_last_minute(store):
    embed(store, NEW, 120)
    progress = embedding_progress(store, NEW)
    assert progress.rate_per_s == pytest.approx(2.0)
    assert progress.remaining_s == pytest.approx((ITEMS - 120) / 2.0)


def test_the_rate_of_one_encoder_is_not_that_of_another(store):
    assert embedding_progress(store, NEW).rate_per_s == 0.0
    assert embedding_progress(store, NEW).remaining_s is None
    assert embedding_progress(store, OLD).remaining_s == 0.0


def test_the_rate_forgets_what_was_longer_ago(store, monkeypatch):
    later = clock.now_us() + 3_600_000_000
    monkeypatch.setattr("ruiji_server.store.embedding_progress.now_us", lambda: later)
    assert embedding_progress(store, OLD).rate_per_s == 0.0


def test_of_many_changes_the_rate_is_taken_from_the_newest(store, monkeypatch):
    monkeypatch.setattr("ruiji_server.store.embedding_progress._ENTRIES_LOOKED_AT", 100)
    assert embedding_progress(store, OLD).rate_per_s > ITEMS / 60


def test_items_that_have_no_task_yet_count_as_waiting(store, monkeypatch):
    monkeypatch.setattr("ruiji_server.store.encoders._TASKS_AT_ONCE", 100)
    calls = iter((True, False))
    give = __import__("ruiji_server.store.encoders", fromlist=["_give_tasks"])._give_tasks
    monkeypatch.setattr("ruiji_server.store.encoders._give_tasks", lambda *arguments: next(calls) and give(*arguments))
    register_encoder(store, "enc-third", "third", DIMENSIONS)
    assert EmbeddingTaskStore(store, "enc-third").backlog().waiting == 100
    assert embedding_progress(store, "enc-third").waiting == ITEMS


def test_a_retired_encoder_waits_for_nothing_once_its_tasks_are_gone(store):
    from ruiji_server.store.retired import delete_tasks

    retire(store, NEW)
    delete_tasks(store, NEW)
    assert embedding_progress(store, NEW).waiting == 0
