"""Tasks that were written by a clock that has been set back since; the clock is a function here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ruiji_server.store import catalogue, embedding_backlog, embedding_failures, embedding_leases
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.clock import now_us
from ruiji_server.store.embedding_tasks import LONGEST_WAIT_S, EmbeddingTaskStore
from ruiji_server.store.engine import open_database

from tests.support.catalogues import DIMENSIONS, ENCODER_ID, an_item

DAY_S = 86_400.0


@pytest.fixture
def ahead_s(monkeypatch):
    """Set how far the store's clock is ahead of time."""

    def ahead(seconds: float) -> None:
        for module in (catalogue, embedding_backlog, embedding_failures, embedding_leases):
            monkeypatch.setattr(module, "now_us", lambda: now_us() + round(seconds * 1e6))

    return ahead


@pytest.fixture(params=["sqlite", "postgresql"])
def tasks(request, tmp_path) -> Iterator[EmbeddingTaskStore]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    else:
        url = request.getfixturevalue("postgresql_server").create_database()
    database = open_database(url, create=True)
    store = EmbeddingTaskStore(database, ENCODER_ID)
    store.register_encoder("formula", DIMENSIONS)
    yield store
    database.close()


@pytest.mark.parametrize("jump_s", [DAY_S, 365 * DAY_S])
def test_an_item_that_came_while_the_clock_was_ahead_does_not_wait_for_the_time_to_come_again(tasks, ahead_s, jump_s):
    ahead_s(jump_s)
    upsert(tasks, "early")
    ahead_s(0.0)
    assert claimed(tasks) == ["early"]
    assert claimed(tasks) == [], "its lease is of the right time now"


def test_a_lease_that_was_taken_while_the_clock_was_ahead_ends(tasks, ahead_s):
    upsert(tasks, "leased")
    ahead_s(DAY_S)
    assert claimed(tasks) == ["leased"]
    ahead_s(0.0)
    assert claimed(tasks) == ["leased"]


def test_a_lease_that_was_taken_while_the_clock_was_behind_ends(tasks, ahead_s):
    upsert(tasks, "leased")
    ahead_s(-DAY_S)
    upsert(tasks, "late")
    assert claimed(tasks) == ["late"]
    assert claimed(tasks) == ["leased"], "written by a clock that is ahead of this one"
    ahead_s(0.0)
    assert sorted(claimed(tasks)) == ["late", "leased"]


def test_leases_are_no_longer_than_what_seems_plausible(tasks):
    upsert(tasks, "a")
    assert [task.item_id for task in tasks.claim(1, lease_s=10 * LONGEST_WAIT_S)] == ["a"]
    assert claimed(tasks) == []


def upsert(tasks: EmbeddingTaskStore, item_id: str) -> None:
    CatalogueStore(tasks.database).upsert(item_id, item_id, [an_item(item_id)])


def claimed(tasks: EmbeddingTaskStore) -> list[str]:
    return [task.item_id for task in tasks.claim(10, lease_s=30.0)]
