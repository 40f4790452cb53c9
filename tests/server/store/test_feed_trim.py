"""The oldest part of the feed can be taken away; who would need it is told, and nothing is ever skipped in silence."""

from __future__ import annotations

import threading
import time

import pytest
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.engine import Database
from ruiji_server.store.feed import FeedPositionError, FeedReader, FeedTrimmed
from ruiji_server.store.feed_trim import FeedExtent, feed_extent, trim_feed
from ruiji_server.store.feed_watch import watch_feed
from ruiji_server.store.schema import feed
from sqlalchemy import text, update

from tests.support.catalogues import an_item

ENTRIES = 40


@pytest.fixture
def store(database: Database) -> Database:
    """A store with forty changes, of which the first came with no time."""
    CatalogueStore(database).upsert("1", "", [an_item(f"item-{number:02d}") for number in range(ENTRIES)])
    with database.write() as connection:
        connection.execute(update(feed).where(feed.c.position == 1).values(appended_at_us=None))
    return database


def positions(database: Database, position: int) -> list[int]:
    return [entry.position for entry in FeedReader(database).changes_since(position, 1_000)[0]]


def make_older(database: Database, up_to: int, seconds: float) -> None:
    with database.write() as connection:
        shifted = feed.c.appended_at_us - round(seconds * 1e6)
        connection.execute(update(feed).where(feed.c.position <= up_to).values(appended_at_us=shifted))


def test_entries_below_a_position_are_taken_away_and_the_others_stay(store):
    assert trim_feed(store, below=11, older_than_s=0.0) == 10
    assert positions(store, 10) == list(range(11, ENTRIES + 1))
    assert feed_extent(store) == FeedExtent(trimmed_to=10, last_position=ENTRIES, entries=ENTRIES - 10)


def test_a_generation_at_the_lowest_position_can_still_be_completed(store):
    """Trimmed below 11: a generation that is complete up to 11, or up to 10, reads on without a gap."""
    trim_feed(store, below=11, older_than_s=0.0)
    for position in (10, 11):
        assert positions(store, position) == list(range(position + 1, ENTRIES + 1))


@pytest.mark.parametrize("position", [0, 5, 9])
def test_a_reader_from_further_behind_is_told_to_load_a_newer_generation(store, position):
    trim_feed(store, below=11, older_than_s=0.0)
    with pytest.raises(FeedTrimmed, match=f"trimmed up to position 10.*after {position} .*ruiji index build"):
        FeedReader(store).changes_since(position, 5)


def test_what_is_younger_than_the_age_stays_although_it_is_below(store):
    make_older(store, up_to=7, seconds=3_600.0)
    assert trim_feed(store, below=30, older_than_s=1_800.0) == 7
    assert feed_extent(store).trimmed_to == 7


def test_the_newest_entry_always_stays(store):
    assert trim_feed(store, below=10**9, older_than_s=0.0) == ENTRIES - 1
    assert FeedReader(store).last_position() == ENTRIES
    assert positions(store, ENTRIES - 1) == [ENTRIES]
    CatalogueStore(store).upsert("next", "", [an_item("next")])
    assert positions(store, ENTRIES) == [ENTRIES + 1]


def test_nothing_below_means_nothing_to_do(store):
    assert trim_feed(store, below=0, older_than_s=0.0) == 0
    assert trim_feed(store, below=1, older_than_s=0.0) == 0
    assert feed_extent(store).trimmed_to == 0


def test_trimming_goes_bit_by_bit_and_each_bit_stands_by_itself(store, monkeypatch):
    monkeypatch.setattr("ruiji_server.store.feed_trim._ENTRIES_AT_ONCE", 4)
    steps: list[int] = []

    def stop_at_the_second(count: int) -> None:
        steps.append(count)
        if len(steps) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trim_feed(store, 30, 0.0, stop_at_the_second)
    assert feed_extent(store) == FeedExtent(trimmed_to=8, last_position=ENTRIES, entries=ENTRIES - 8)
    assert trim_feed(store, 30, 0.0) == 21
    with store.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM feed_trims")).scalar_one() == 1


def test_a_gap_that_was_never_committed_is_no_trimmed_part(store):
    if store.engine.dialect.name == "sqlite":
        with store.write() as connection:
            connection.execute(feed.delete().where(feed.c.position == 20))
    else:
        with store.write() as connection:
            connection.execute(text("SELECT nextval(pg_get_serial_sequence('feed', 'position'))"))
    CatalogueStore(store).upsert("next", "", [an_item("next")])
    assert positions(store, 0) == sorted(positions(store, 0))
    assert positions(store, 19)[0] in {20, 21}


def test_while_one_trims_others_write_and_a_reader_who_keeps_up_misses_nothing(store):
    stop = threading.Event()

    def trim() -> None:
        while not stop.is_set():
            trim_feed(store, below=read_to[0], older_than_s=0.0)

    read_to = [0]
    trimmer = threading.Thread(target=trim)
    trimmer.start()
    reader, seen = FeedReader(store), set()
    shop = CatalogueStore(store)
    try:
        for number in range(20):
            shop.upsert(f"more-{number}", "", [an_item(f"more-{number:02d}")])
            while True:
                entries, reached = reader.changes_since(read_to[0], 7)
                seen |= {entry.item_id for entry in entries}
                if reached == read_to[0]:
                    break
                read_to[0] = reached
        while trimmer.is_alive() and feed_extent(store).trimmed_to == 0:
            time.sleep(0.01)
    finally:
        stop.set()
        trimmer.join()
    assert {f"more-{number:02d}" for number in range(20)} <= seen
    assert feed_extent(store).trimmed_to > 0


def test_a_position_from_the_future_is_an_error_and_does_not_wait_for_the_feed_to_get_there(store):
    with pytest.raises(FeedPositionError, match=f"ends at {ENTRIES}, before position {ENTRIES + 5}.*restored"):
        FeedReader(store).changes_since(ENTRIES + 5, 10)
    with watch_feed(store) as watch:
        assert watch.wait(ENTRIES + 5, timeout_s=0.0), "reading tells what is wrong; waiting would hide it"
        assert not watch.wait(ENTRIES, timeout_s=0.0)
