"""The log format: what is read, what is left out and counted, what is refused."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruiji_evaluation.errors import LogError
from ruiji_evaluation.logs.reading import LogReader
from ruiji_evaluation.logs.schema import SCHEMA, VERSION_KEY, Request, Shown, Tap
from ruiji_evaluation.logs.writing import to_table, write_jsonl, write_parquet

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
REQUEST = Request("r-1", NOON, "q", (Shown("a", 1), Shown("b", 2), Shown("c", 5)), (Tap("b", NOON),), unit_id="u")

texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


@st.composite
def sound_requests(draw):
    items = draw(st.lists(texts, min_size=1, max_size=6, unique=True))
    places = draw(st.lists(st.integers(1, 500), min_size=len(items), max_size=len(items), unique=True))
    tapped = draw(st.lists(st.sampled_from(items), unique=True))
    return Request(
        request_id=draw(st.uuids().map(str)),
        time=draw(moments),
        query_item_id=draw(texts),
        shown=tuple(Shown(item, place) for item, place in zip(items, places, strict=True)),
        taps=tuple(Tap(item, draw(st.none() | moments)) for item in tapped),
        unit_id=draw(st.none() | texts),
        variant=draw(st.none() | texts),
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(sound_requests(), min_size=1, max_size=4, unique_by=lambda request: request.request_id))
@pytest.mark.parametrize("write", [write_parquet, write_jsonl])
def test_what_is_written_is_read_again(tmp_path: Path, write, requests):
    file = tmp_path / ("log.parquet" if write is write_parquet else "log.jsonl")
    write(file, requests)
    reader = LogReader(file)
    assert list(reader) == requests
    assert not reader.left_out


def test_a_folder_is_read_at_any_depth(tmp_path):
    (tmp_path / "date=2026-11-20").mkdir()
    write_parquet(tmp_path / "date=2026-11-20" / "part-0.parquet", [REQUEST])
    write_jsonl(tmp_path / "late.jsonl", [replace(REQUEST, request_id="r-2")])
    with gzip.open(tmp_path / "later.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(line(request_id="r-3"))
    (tmp_path / "_SUCCESS").write_text("")
    (tmp_path / ".part.parquet").write_bytes(b"half")
    assert [request.request_id for request in LogReader(tmp_path)] == ["r-1", "r-2", "r-3"]


def line(**changes) -> str:
    record = {
        "version": 1,
        "request_id": "r-1",
        "time": "2026-11-21T12:00:00Z",
        "query_item_id": "q",
        "shown": [{"item_id": "a", "position": 1}, {"item_id": "b", "position": 2}],
        "taps": [],
    }
    return json.dumps({**record, **changes}) + "\n"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"shown": []}, "request: nothing was shown"),
        (
            {"shown": [{"item_id": "a", "position": 1}, {"item_id": "b", "position": 1}]},
            "request: a position is there twice",
        ),
        (
            {"shown": [{"item_id": "a", "position": 1}, {"item_id": "a", "position": 2}]},
            "request: an item is there twice",
        ),
        ({"shown": [{"item_id": "a", "position": 0}]}, "request: a position is below 1"),
    ],
)
def test_a_list_that_makes_no_sense_is_left_out_and_counted(tmp_path, changes, reason):
    (tmp_path / "log.jsonl").write_text(line(**changes) + line(request_id="sound"))
    reader = LogReader(tmp_path / "log.jsonl")
    assert [request.request_id for request in reader] == ["sound"]
    assert dict(reader.left_out) == {reason: 1}


def test_a_request_counts_once(tmp_path):
    (tmp_path / "log.jsonl").write_text(line() + line())
    reader = LogReader(tmp_path / "log.jsonl")
    assert len(list(reader)) == 1
    assert dict(reader.left_out) == {"request: the id was there before": 1}
    assert len(list(reader)) == 1, "a reader can be read again"


def test_taps_on_what_was_not_shown_and_repeated_taps_are_left_out_and_counted(tmp_path):
    taps = [{"item_id": "z"}, {"item_id": "b"}, {"item_id": "b", "time": "2026-11-21T12:00:09Z"}]
    (tmp_path / "log.jsonl").write_text(line(taps=taps))
    reader = LogReader(tmp_path / "log.jsonl")
    [request] = reader
    assert request.taps == (Tap("b"),)
    assert dict(reader.left_out) == {"tap: the item was not shown": 1, "tap: the item was tapped before": 1}


def test_other_time_zones_are_the_same_moments(tmp_path):
    (tmp_path / "log.jsonl").write_text(line(time="2026-11-21T21:00:00+09:00"))
    [request] = LogReader(tmp_path / "log.jsonl")
    assert request.time == NOON
    assert request.time.tzinfo == timezone(timedelta(hours=9))


def test_columns_of_others_are_left_alone(tmp_path):
    table = to_table([REQUEST]).append_column("propensities", pa.array([[0.1, 0.9]]))
    pq.write_table(table, tmp_path / "log.parquet")
    assert list(LogReader(tmp_path)) == [REQUEST]


def test_optional_columns_may_be_missing(tmp_path):
    pq.write_table(to_table([REQUEST]).drop_columns(["unit_id", "variant"]), tmp_path / "log.parquet")
    assert list(LogReader(tmp_path)) == [replace(REQUEST, unit_id=None)]


def test_a_line_cut_short_at_the_end_is_counted(tmp_path):
    (tmp_path / "log.jsonl").write_text(line() + line(request_id="r-2")[:40])
    reader = LogReader(tmp_path)
    assert len(list(reader)) == 1
    assert dict(reader.left_out) == {"request: the last line of a file was cut short": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{\n" + line(), "log.jsonl, line 1 is not JSON"),
        ("[]\n", "line 1 is no JSON object"),
        (line(version=2), "has version 2 of the log format; this release reads 1"),
        (line(version=None), "has version None"),
        (line(request_id=""), "'' is no text"),
        (line(request_id=7), "7 is no text"),
        (line(time="2026-11-21T12:00:00"), "no time with a time zone"),
        (line(time="yesterday"), "line 1 has a field of another kind"),
        (line(shown=[{"item_id": "a"}]), "lacks the field position"),
        (line(shown=[{"item_id": "a", "position": 1.5}]), "is no whole number"),
        (line(taps=None), "line 1 has a field of another kind"),
    ],
)
def test_what_is_not_in_the_format_is_refused_with_file_and_line(tmp_path, text, message):
    (tmp_path / "log.jsonl").write_text(text)
    with pytest.raises(LogError, match=message):
        list(LogReader(tmp_path / "log.jsonl"))


def test_a_parquet_file_that_is_no_log_is_refused(tmp_path):
    file = tmp_path / "log.parquet"
    pq.write_table(pa.table({"x": [1]}), file)
    with pytest.raises(LogError, match="has version none"):
        list(LogReader(file))
    pq.write_table(pa.table({"request_id": ["r"]}, metadata={VERSION_KEY: "1"}), file)
    with pytest.raises(LogError, match="lacks the columns time, query_item_id, shown, taps"):
        list(LogReader(file))


def test_a_parquet_file_half_written_is_refused(tmp_path):
    file = tmp_path / "log.parquet"
    write_parquet(file, [REQUEST])
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(LogError, match="Was it written to its end"):
        list(LogReader(file))


def test_no_log_at_all_is_said(tmp_path):
    with pytest.raises(LogError, match="there is no log"):
        LogReader(tmp_path)
    with pytest.raises(LogError, match="there is no log"):
        LogReader(tmp_path / "absent.parquet")


def test_the_schema_carries_its_version():
    assert SCHEMA.metadata == {b"ruiji.log.version": b"1"}
    assert [field.name for field in SCHEMA if not field.nullable] == [
        "request_id",
        "time",
        "query_item_id",
        "shown",
        "taps",
    ]
