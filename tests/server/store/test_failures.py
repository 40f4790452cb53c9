"""What callers are told when the database fails them, and that nothing is half done."""

from __future__ import annotations

import threading
import time

import pytest
from ruiji_server.domain.errors import Overloaded, Reason, Unavailable
from ruiji_server.domain.items import PictureContent
from ruiji_server.store import dialects, locks
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.engine import open_database
from ruiji_server.store.feed import FeedReader, append_changes
from ruiji_server.store.schema import items
from sqlalchemy import select
from sqlalchemy.exc import ProgrammingError

from tests.support.catalogues import an_item
from tests.support.postgresql import run_postgresql

LONG_S = 30.0


@pytest.mark.parametrize(
    ("sqlstate", "error", "reason"),
    [
        ("53100", Overloaded, Reason.STORE_FULL),
        ("53300", Unavailable, Reason.STORE_UNAVAILABLE),  # too many connections
        ("40001", Unavailable, Reason.STORE_UNAVAILABLE),  # serialisation failure
        ("40P01", Unavailable, Reason.STORE_UNAVAILABLE),  # deadlock
        ("55P03", Unavailable, Reason.STORE_UNAVAILABLE),  # lock timeout
        ("57P01", Unavailable, Reason.STORE_UNAVAILABLE),  # server shuts down
        ("25006", Unavailable, Reason.STORE_UNAVAILABLE),  # server became a standby
    ],
)
def test_each_passing_failure_of_the_server_has_its_name(new_postgresql_url, sqlstate, error, reason):
    database = open_database(new_postgresql_url())
    with pytest.raises(error) as caught, database.write() as connection:
        connection.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION 'secret' USING ERRCODE = '{sqlstate}'; END $$")
    assert caught.value.reason == reason
    assert "secret" not in caught.value.message
    CatalogueStore(database).upsert("1", "", [an_item()])
    database.close()


def test_a_mistake_of_ours_is_not_called_a_failure_of_the_database(new_postgresql_url):
    database = open_database(new_postgresql_url())
    with pytest.raises(ProgrammingError), database.write() as connection:
        connection.exec_driver_sql("SELECT no_such_column FROM items")
    database.close()


def test_a_full_disk_is_told_and_leaves_nothing_behind(new_sqlite_url):
    database = open_database(new_sqlite_url())
    store = CatalogueStore(database)
    store.upsert("1", "", [an_item("before")])
    with database.engine.connect() as connection:
        [pages] = connection.exec_driver_sql("PRAGMA page_count").one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 5}")
    large = [an_item("large", picture=PictureContent(bytes(1_000_000)))]
    with pytest.raises(Overloaded) as caught:
        store.upsert("2", "", large)
    assert caught.value.reason == Reason.STORE_FULL
    assert store.count() == 1
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert not store.upsert("2", "", large).replayed
    database.close()


def test_a_request_whose_answer_was_lost_with_the_server_is_applied_once():
    with run_postgresql() as server:
        database = open_database(server.create_database(), create=True)
        store, done = CatalogueStore(database), threading.Event()
        answered: dict[str, int] = {}

        def write() -> None:
            number = 0
            while not done.is_set():
                request_id = f"request-{number}"
                try:
                    answered[request_id] = store.upsert(request_id, "", [an_item(request_id)]).feed_position
                    number += 1
                except Unavailable:
                    time.sleep(0.02)

        writer = threading.Thread(target=write)
        writer.start()
        for _ in range(3):
            until = len(answered) + 20
            while len(answered) < until:
                time.sleep(0.005)
            server.kill()
            server.start()
        done.set()
        writer.join(LONG_S)
        entries, _ = FeedReader(database).changes_since(0, 10_000)
        assert {entry.item_id: entry.position for entry in entries} == answered
        assert len(entries) == len(answered) == store.count()
        database.close()


def test_a_writer_who_waits_too_long_for_another_gives_up(new_postgresql_url, monkeypatch):
    monkeypatch.setitem(dialects._POSTGRESQL_SESSION, "lock_timeout", "100ms")
    database = open_database(new_postgresql_url())
    store = CatalogueStore(database)
    store.upsert("1", "", [an_item()])
    with database.write() as connection:
        connection.execute(select(items).with_for_update()).all()
        with pytest.raises(Unavailable):
            store.upsert("2", "", [an_item(title="New")])
    assert not store.upsert("2", "", [an_item(title="New")]).replayed
    database.close()


def test_a_writer_that_stops_before_its_commit_is_cut_off_and_holds_nobody_up(new_postgresql_url, monkeypatch):
    monkeypatch.setattr(locks, "FEED_STALL_S", 0.3)
    database = open_database(new_postgresql_url())
    store, numbered, release = CatalogueStore(database), threading.Event(), threading.Event()
    failures: list[Exception] = []

    def stall() -> None:
        try:
            with database.write() as connection:
                append_changes(connection, ["stalled"])
                numbered.set()
                release.wait(LONG_S)
        except Unavailable as error:
            failures.append(error)

    stalled = threading.Thread(target=stall)
    stalled.start()
    assert numbered.wait(LONG_S)
    assert FeedReader(database).changes_since(0, 10) == ([], 0), "readers do not wait for it"
    store.upsert("1", "", [an_item("kept")])
    entries, _ = FeedReader(database).changes_since(0, 10)
    assert [entry.item_id for entry in entries] == ["kept"]
    release.set()
    stalled.join(LONG_S)
    assert len(failures) == 1, "whoever was cut off learns that nothing was committed"
    database.close()
