"""Compaction: every event exactly once in its table, whatever was interrupted or sent twice."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruiji_events.compaction import compact
from ruiji_events.errors import CompactionBusy, PartitionDamaged, PartitionError, SegmentDamaged
from ruiji_events.events import encode_event
from ruiji_events.journal import Journal
from ruiji_events.journal_folder import compaction_lock, open_segments, sealed_segments
from ruiji_events.schema import FORMAT_VERSION, SCHEMAS, VERSION_KEY, Table
from ruiji_events.segments import HEADER, encode_group
from ruiji_events.storage import EventFolder

from tests.support.events import NOON, Events, a_purchase, a_tap, an_impression

DAY = timedelta(days=1)


def test_events_come_into_the_partition_of_their_table_and_day(events):
    events.record(an_impression("i1"), a_tap("t1"), an_impression("i2", "s", at=NOON - DAY), a_purchase("p1"))
    compacted = events.compact()
    assert compacted.rows == Counter({Table.IMPRESSIONS: 2, Table.TAPS: 1, Table.PURCHASES: 1})
    assert sorted(Path(file).parent.as_posix() for file in events.files()) == [
        "impressions/date=2026-11-19",
        "impressions/date=2026-11-20",
        "purchases/date=2026-11-20",
        "taps/date=2026-11-20",
    ]
    assert sealed_segments(events.journal) == []


def test_files_have_the_schema_of_this_release_and_say_its_version(events):
    events.record(an_impression("i1"), a_tap("t1"))
    events.compact()
    for table in (Table.IMPRESSIONS, Table.TAPS):
        [file] = (events.root / table).glob("*/*.parquet")
        schema = pq.read_schema(file)
        assert schema.equals(SCHEMAS[table])
        assert schema.metadata[VERSION_KEY.encode()] == str(FORMAT_VERSION).encode()


def test_what_is_sent_again_counts_once_within_a_batch_and_across_segments(events):
    events.record(a_purchase("p1"), a_purchase("p1"), a_purchase("p2"))
    events.record(a_purchase("p2"), a_purchase("p3"))
    assert events.compact().duplicates == 2
    events.record(a_purchase("p1"))
    assert events.compact().duplicates == 1
    assert events.ids("purchases") == ["p1", "p2", "p3"]


def test_a_retry_whose_time_moved_over_midnight_counts_once(events):
    events.record(a_purchase("p1", at=NOON))
    events.compact()
    events.record(a_purchase("p1", at=NOON + DAY), a_purchase("p1", at=NOON - DAY))
    events.compact()
    assert events.ids("purchases") == ["p1"]


def test_a_tap_before_its_impression_is_unknown_until_that_comes(events):
    events.record(a_tap("t1"), a_tap("t2", "other"), a_purchase("p1", request_id="r"))
    assert events.compact().rows == Counter({Table.UNKNOWN: 3})
    assert events.rows("SELECT event_id, kind FROM unknown ORDER BY 1") == [
        ("p1", "purchases"), ("t1", "taps"), ("t2", "taps"),
    ]  # fmt: skip
    events.record(an_impression("i1", at=NOON + DAY))
    assert events.compact().joined == 2
    assert (events.ids("taps"), events.ids("purchases"), events.ids("unknown")) == (["t1"], ["p1"], ["t2"])
    assert events.rows("SELECT position, item_id FROM taps") == [(1, "a")]


def test_a_tap_is_joined_whichever_process_logged_the_impression(events):
    """The segment with the tap may come first."""
    events.record(a_tap("t1"))
    events.record(an_impression("i1"))
    events.compact()
    assert (events.ids("taps"), events.ids("unknown")) == (["t1"], [])


class Interrupted(BaseException):
    """The process dies here."""


class Interruptible(EventFolder):
    """Dies before a step of its work."""

    def __init__(self, url: str, steps: int) -> None:
        super().__init__(url)
        self.steps = steps

    def write(self, *arguments) -> None:
        self._step()
        super().write(*arguments)

    def remove(self, *arguments) -> None:
        self._step()
        super().remove(*arguments)

    def _step(self) -> None:
        if self.steps == 0:
            raise Interrupted
        self.steps -= 1


NUMBERS = st.integers(0, 5)
DAYS = st.integers(0, 1).map(lambda days: NOON - days * DAY)
EVENT = st.one_of(
    st.builds(lambda n, at: an_impression(f"i{n}", f"r{n}", at=at), NUMBERS, DAYS),
    st.builds(lambda n, at: a_tap(f"t{n}", f"r{n}", at=at), NUMBERS, DAYS),
    st.builds(lambda n, at: a_purchase(f"p{n}", at=at), NUMBERS, DAYS),
    st.builds(lambda n, at: a_purchase(f"q{n}", request_id=f"r{n}", at=at), NUMBERS, DAYS),
)
# Segments, and after each how many steps every run of the compaction gets before it dies.
HISTORY = st.lists(
    st.tuples(st.lists(EVENT, min_size=1, max_size=6), st.lists(st.integers(0, 6), max_size=3)), max_size=4
)


@settings(max_examples=25, deadline=None)
@given(history=HISTORY)
def test_however_often_it_dies_each_event_is_there_exactly_once(history):
    with TemporaryDirectory() as folder:
        events = Events(Path(folder))
        sent: set[str] = set()
        for segment, deaths in history:
            events.record(*segment)
            sent |= {event["event_id"] for event in segment}
            for steps in deaths:
                try:
                    compact(Interruptible(str(events.root), steps), events.journal)
                except Interrupted:
                    counted = [n for table in ("impressions", "taps", "purchases") for n in events.ids(table)]
                    assert len(set(counted)) == len(counted), "nothing is counted twice, at any moment"
        events.compact()
        found = {table: events.ids(table) for table in Table}
        assert sorted(n for ids in found.values() for n in ids) == sorted(sent)
        seen = {f"r{n[1:]}" for n in found[Table.IMPRESSIONS]}
        assert {n for n in sent if n[0] in "tq" and f"r{n[1:]}" not in seen} == set(found[Table.UNKNOWN])
        assert all(n[0] in "pq" for n in found[Table.PURCHASES])
        assert sealed_segments(events.journal) == []


def test_a_segment_that_comes_back_after_a_power_cut_changes_nothing(events, tmp_path):
    """Its removal may not have reached the disk."""
    events.record(an_impression("i1"), a_tap("t1"), a_purchase("p1", request_id="unheard-of"))
    [segment] = sealed_segments(events.journal)
    shutil.copy(segment, tmp_path / segment.name)
    events.compact()
    before = {table: events.ids(table) for table in Table}
    shutil.move(tmp_path / segment.name, segment)
    events.compact()
    assert {table: events.ids(table) for table in Table} == before


def test_what_a_dead_writer_left_open_is_compacted_without_its_torn_end(events):
    events.journal.mkdir(parents=True)
    events.record(a_purchase("p1"))
    [whole] = sealed_segments(events.journal)
    content = whole.read_bytes()
    whole.unlink()
    torn = encode_group([b'{"table":'])[:-3]
    (events.journal / "20260101T000000-dead-000001.open").write_bytes(content + torn)
    assert events.compact().torn_bytes == len(torn)
    assert events.ids("purchases") == ["p1"]
    assert open_segments(events.journal) == []


def test_what_a_live_writer_has_is_compacted_too(events):
    journal = Journal(events.journal)
    journal.append([encode_event(a_purchase("p1"))]).result()
    assert events.compact().segments == 1
    journal.close()
    assert events.ids("purchases") == ["p1"]


def test_a_damaged_segment_is_refused_stays_and_stops_no_other(events):
    (events.root / "journal").mkdir(parents=True)
    broken = bytearray(encode_group([b"1"]))
    broken[-1] ^= 1
    damaged = events.journal / "20260101T000000-aa-000001.segment"
    damaged.write_bytes(HEADER + bytes(broken) + encode_group([b'{"table":"taps"}']))
    events.record(a_purchase("p1"))
    [(path, error)] = events.compact().refused.items()
    assert (path, type(error)) == (damaged, SegmentDamaged)
    assert damaged.exists()
    assert events.ids("purchases") == ["p1"]


def test_salvaging_takes_the_rest_of_a_damaged_segment_and_keeps_the_file(events):
    events.record(a_purchase("p1"))
    [segment] = sealed_segments(events.journal)
    whole = segment.read_bytes()
    broken = bytearray(encode_group([b"lost"]))
    broken[-1] ^= 1
    segment.write_bytes(HEADER + bytes(broken) + whole[len(HEADER) :])
    assert events.compact(salvage=True).lost_bytes == len(broken)
    assert events.ids("purchases") == ["p1"]
    assert [path.suffix for path in events.journal.glob("2*")] == [".damaged"]


def test_a_half_written_partition_is_written_anew_while_its_segment_is_there(events, tmp_path):
    events.record(a_purchase("p1"), a_purchase("p2"))
    [segment] = sealed_segments(events.journal)
    shutil.copy(segment, tmp_path)
    events.compact()
    [file] = events.root.glob("purchases/*/*.parquet")
    file.write_bytes(file.read_bytes()[:100])
    shutil.copy(tmp_path / segment.name, events.journal)
    events.compact()
    assert events.ids("purchases") == ["p1", "p2"]


def test_a_half_written_partition_without_a_segment_is_refused_and_loses_nothing_more(events):
    events.record(a_purchase("p1"))
    events.compact()
    [file] = events.root.glob("purchases/*/*.parquet")
    file.write_bytes(file.read_bytes()[:100])
    events.record(a_purchase("p2"))
    with pytest.raises(PartitionDamaged, match=rf"{file.name} is no whole Parquet file .*move it away"):
        events.compact()
    file.unlink()
    events.compact()
    assert events.ids("purchases") == ["p2"]


def test_what_a_dead_compaction_left_aside_is_seen_by_nobody_and_written_over(events):
    events.record(a_purchase("p1"))
    [segment] = sealed_segments(events.journal)
    aside = events.root / "purchases" / "date=2026-11-20" / f".{segment.stem}.parquet.new"
    aside.parent.mkdir(parents=True)
    aside.write_bytes(b"PAR1 half of a file")
    assert events.ids("purchases") == []
    events.compact()
    assert events.ids("purchases") == ["p1"]
    assert not aside.exists()


def test_a_folder_that_is_no_day_is_named(events):
    (events.root / "taps" / "date=yesterday").mkdir(parents=True)
    with pytest.raises(PartitionError, match="taps has a folder that is no day"):
        events.rows("SELECT * FROM taps")


def test_only_one_process_compacts_at_a_time(events):
    with compaction_lock(events.journal), pytest.raises(CompactionBusy, match="try again"):
        events.compact()
