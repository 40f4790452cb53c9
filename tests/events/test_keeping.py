"""Queries, retention, erasing, export and object storage: what happens to partitions once they are there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import fsspec
import pyarrow.parquet as pq
import pytest
from ruiji_events.compaction import compact
from ruiji_events.erasing import erase_unit
from ruiji_events.errors import CompactionBusy, PartitionDamaged, PartitionError, SegmentDamaged
from ruiji_events.export import export_table
from ruiji_events.journal import Journal
from ruiji_events.queries import EventQueries
from ruiji_events.retention import trim
from ruiji_events.schema import SCHEMAS, Table
from ruiji_events.segments import HEADER, encode_group
from ruiji_events.status import journal_status, table_status
from ruiji_events.storage import EventFolder

from tests.support.events import NOON, Events, a_purchase, a_tap, an_impression
from tests.support.object_storage import new_bucket, s3_server

GOLDEN = Path(__file__).parent / "golden"
DAY = timedelta(days=1)
NANA, KEN = "1" * 32, "2" * 32


@pytest.fixture
def three_days(events: Events) -> Events:
    for days in range(3):
        at = NOON - days * DAY
        events.record(
            an_impression(f"i{days}", f"r{days}", at=at, unit=NANA),
            a_tap(f"t{days}", f"r{days}", at=at, unit=NANA),
            a_tap(f"u{days}", "unheard-of", at=at, unit=KEN),
            a_purchase(f"p{days}", at=at, unit=None),
        )
    events.compact()
    return events


def test_queries_see_the_days_that_are_asked_for(three_days):
    day = (NOON - DAY).date()
    for bounds, ids in (
        ({}, ["i0", "i1", "i2"]),
        ({"first": day}, ["i0", "i1"]),
        ({"last": day}, ["i1", "i2"]),
        ({"first": day, "last": day}, ["i1"]),
    ):
        with EventQueries(three_days.folder, **bounds) as queries:
            found = queries.sql("SELECT event_id FROM impressions ORDER BY 1").fetchall()
        assert [event_id for (event_id,) in found] == ids


def test_views_have_the_columns_of_the_schema_whether_there_are_rows_or_not(events, three_days, tmp_path):
    for root in (three_days.folder, EventFolder(str(tmp_path / "nothing"))):
        with EventQueries(root) as queries:
            for table in Table:
                assert queries.sql(f"SELECT * FROM {table}").columns == SCHEMAS[table].names  # noqa: S608


def test_times_are_utc_wherever_the_machine_is(three_days):
    program = (
        "import sys; from ruiji_events.queries import EventQueries; from ruiji_events.storage import EventFolder; "
        "print(EventQueries(EventFolder(sys.argv[1])).sql('SELECT DISTINCT hour(time) FROM taps').fetchall())"
    )
    environment = {**os.environ, "TZ": "Asia/Tokyo"}
    command = [sys.executable, "-c", program, str(three_days.root)]
    assert subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout == "[(12,)]\n"


def test_partitions_are_plain_parquet_for_any_reader(three_days):
    found = duckdb.sql(f"SELECT count(*) FROM '{three_days.root}/taps/*/*.parquet'").fetchall()  # noqa: S608
    assert found == [(3,)]


def test_a_partition_of_the_first_release_can_be_read(events):
    target = events.root / "impressions" / "date=2026-11-20"
    target.mkdir(parents=True)
    (target / "old.parquet").write_bytes((GOLDEN / "impressions-version-1.parquet").read_bytes())
    [(source, ratio, items, experiments)] = events.rows(
        "SELECT source, max_price_ratio, items, experiments FROM impressions"
    )
    assert (source, ratio) == ("client", float("inf"))
    assert items[0]["item_id"] == "靴"
    assert experiments == [{"experiment": "e", "variant": "treatment", "forced": False}]


def test_partitions_of_before_and_since_there_were_teams_are_read_together(events):
    target = events.root / "impressions" / "date=2026-11-20"
    target.mkdir(parents=True)
    for name in ("impressions-version-1", "impressions-version-1-teams"):
        (target / f"{name}.parquet").write_bytes((GOLDEN / f"{name}.parquet").read_bytes())
    events.record(an_impression("i3", "r3"))
    events.compact()
    found = events.rows(
        "SELECT event_id, experiments[1].variant, [item.team FOR item IN items] FROM impressions ORDER BY 1"
    )
    assert found == [
        ("i1", "treatment", [None, None]), ("i2", "", ["control", "treatment", None]), ("i3", None, [None, None]),
    ]  # fmt: skip


def test_a_team_survives_compaction_and_the_erasing_of_somebody_else(events):
    items = [{"item_id": "a", "position": 1, "team": "control"}, {"item_id": "b", "position": 2}]
    events.record(an_impression("i1", items=items, unit=KEN), an_impression("i2", "r2", unit=NANA))
    events.compact()
    erase_unit(events.folder, events.journal, NANA)
    assert events.rows("SELECT [item.team FOR item IN items] FROM impressions") == [(["control", None],)]


def test_columns_that_an_older_release_did_not_write_are_null(events):
    events.record(an_impression("i1", exact_scan=True))
    events.compact()
    [file] = events.root.glob("impressions/*/*.parquet")
    pq.write_table(pq.read_table(file).drop_columns(["exact_scan", "error"]), file)
    assert events.rows("SELECT event_id, exact_scan, error FROM impressions") == [("i1", None, None)]


def test_a_half_written_partition_is_named_before_a_query_runs(three_days):
    file = sorted(three_days.root.glob("taps/*/*.parquet"))[1]
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(PartitionDamaged, match=file.name):
        EventQueries(three_days.folder)
    status = table_status(three_days.folder, Table.TAPS)
    assert (status.rows, status.files, len(status.damaged)) == (2, 3, 1)


def test_a_parquet_file_of_something_else_is_refused(events):
    target = events.root / "taps" / "date=2026-11-20"
    target.mkdir(parents=True)
    pq.write_table(SCHEMAS[Table.TAPS].remove_metadata().empty_table(), target / "alien.parquet")
    with pytest.raises(PartitionDamaged, match="has version none"):
        EventQueries(events.folder)


def test_trimming_removes_whole_days_and_no_others(three_days):
    removed = trim(three_days.folder, three_days.journal, NOON.date())
    assert removed == {Table.IMPRESSIONS: 2, Table.TAPS: 2, Table.PURCHASES: 2, Table.UNKNOWN: 2}
    assert {file.split("/")[1] for file in three_days.files()} == {"date=2026-11-20"}


def test_erasing_a_unit_takes_it_from_partitions_and_journal_and_leaves_the_others(three_days):
    three_days.record(a_purchase("p9", unit=NANA), a_purchase("p8", unit=KEN))
    erased = erase_unit(three_days.folder, three_days.journal, NANA)
    assert erased.rows == Counter({Table.IMPRESSIONS: 3, Table.TAPS: 3, Table.PURCHASES: 1})
    assert three_days.ids("purchases") == ["p0", "p1", "p2", "p8"], "rows without a unit stay"
    assert three_days.ids("unknown") == ["u0", "u1", "u2"]
    left = b"".join(path.read_bytes() for path in three_days.root.rglob("*") if path.is_file())
    assert NANA.encode() not in left
    assert erase_unit(three_days.folder, three_days.journal, NANA).rows == Counter()


def test_what_a_live_server_holds_of_a_unit_is_erased_too(events):
    journal = Journal(events.journal)
    journal.append([json.dumps(a_purchase("p1", unit=NANA)).encode()]).result()
    assert erase_unit(events.folder, events.journal, NANA).rows == Counter({Table.PURCHASES: 1})
    journal.close()


def test_erasing_is_refused_where_a_segment_cannot_be_read(events):
    events.journal.mkdir(parents=True)
    broken = encode_group([b"one"])[:-1] + b"?"
    (events.journal / "x-000001.segment").write_bytes(HEADER + broken + encode_group([b"two"]))
    with pytest.raises(SegmentDamaged, match="salvage"):
        erase_unit(events.folder, events.journal, NANA)


def test_erasing_waits_for_no_server_that_does_not_react_and_says_so(events):
    journal = Journal(events.journal)
    journal.append([json.dumps(a_purchase("p1", unit=NANA)).encode()]).result()
    # Its writer looks twice a second; nobody waits for it here.
    with pytest.raises(CompactionBusy, match="nothing was erased"):
        erase_unit(events.folder, events.journal, NANA, rotation_timeout_s=0)
    journal.close()


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
def test_an_export_has_every_row_in_order_of_time(three_days, tmp_path, suffix):
    target = tmp_path / f"taps{suffix}"
    assert export_table(three_days.folder, Table.TAPS, target) == 3
    found = duckdb.sql(f"SELECT event_id FROM '{target}'").fetchall()  # noqa: S608
    assert found == [("t2",), ("t1",), ("t0",)]


def test_an_export_into_an_unknown_format_or_nowhere_is_refused(three_days, tmp_path):
    with pytest.raises(PartitionError, match=r"must end in \.parquet"):
        export_table(three_days.folder, Table.TAPS, tmp_path / "taps.xlsx")
    with pytest.raises(PartitionError, match="does not exist"):
        export_table(three_days.folder, Table.TAPS, tmp_path / "nowhere" / "taps.csv")


@pytest.fixture(params=["memory", "s3"])
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Object storage as fsspec sees it, and S3 itself: objects appear whole, and there are no folders."""
    if request.param == "s3":
        with s3_server() as endpoint:
            yield new_bucket(endpoint, "shop", monkeypatch) + "/events"
        return
    yield "memory://shop/events"
    fsspec.filesystem("memory").store.clear()


def test_object_storage_holds_the_same(bucket, events):
    events.record(an_impression("i1"), a_tap("t1"), a_tap("t2", "later"), a_purchase("p1", unit=NANA, at=NOON - DAY))
    folder = EventFolder(bucket)
    assert compact(folder, events.journal).segments == 1
    events.record(an_impression("i2", "later"), a_purchase("p1", unit=NANA, at=NOON - DAY))
    again = compact(folder, events.journal)
    assert (again.duplicates, again.joined) == (1, 1)
    with EventQueries(folder) as queries:
        assert queries.sql("SELECT event_id FROM taps ORDER BY 1").fetchall() == [("t1",), ("t2",)]
        assert queries.sql("SELECT count(*) FROM purchases").fetchall() == [(1,)]
    assert erase_unit(folder, events.journal, NANA).rows == Counter({Table.PURCHASES: 1})
    assert trim(folder, events.journal, NOON.date() + DAY)[Table.IMPRESSIONS] == 1
    assert all(folder.days(table) == [] for table in Table)


def test_a_url_of_nothing_is_refused():
    with pytest.raises(PartitionError, match="no URL that fsspec knows"):
        EventFolder("nonsense://somewhere")


def test_the_journals_status_counts_what_waits(events):
    assert journal_status(events.journal).bytes == 0
    events.record(a_purchase("p1"))
    journal = Journal(events.journal)
    journal.append([b"{}"]).result()
    status = journal_status(events.journal)
    journal.close()
    assert (status.open_segments, status.sealed_segments) == (1, 1)
    assert status.bytes > 0
