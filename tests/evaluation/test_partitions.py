"""What servers logged, read as requests."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from ruiji_evaluation.errors import LogError
from ruiji_evaluation.logs.partitions import LoggedRequests, read_partitions

from tests.support.events import NOON, Events, a_tap, an_impression

DAY = NOON.date()


@pytest.fixture
def events(tmp_path: Path) -> Events:
    return Events(tmp_path / "events")


def read(events: Events, *rows: dict) -> LoggedRequests:
    events.record(*rows)
    events.compact()
    return read_partitions(events.folder, DAY, DAY)


def shown(*names: str, first: int = 1) -> list[dict]:
    return [{"item_id": name, "position": place} for place, name in enumerate(names, first)]


def test_a_request_has_what_its_impression_and_its_taps_say(events):
    variant = {"experiment": "bands", "variant": "wide", "forced": False}
    [request] = read(events, an_impression("i1", experiments=[variant], encoder_id="e"), a_tap("t1")).requests
    assert (request.request_id, request.query_item_id, request.time) == ("r", "q", NOON)
    assert (request.unit_id, request.encoder_id) == ("ab" * 16, "e")
    assert (request.experiment, request.variant) == ("bands", "bands/wide")
    assert [(one.item_id, one.position) for one in request.shown] == [("a", 1), ("b", 2)]
    assert [(tap.item_id, tap.time) for tap in request.taps] == [("a", NOON)]


def test_an_interleaved_page_has_the_name_of_no_variant(events):
    drawn = {"experiment": "bands", "variant": "", "forced": False}
    [request] = read(events, an_impression("i1", experiments=[drawn]), a_tap("t1")).requests
    assert (request.variant, request.encoder_id) == ("bands/interleaved", None)


def test_parts_that_were_scrolled_to_are_one_list(events):
    parts = [
        an_impression("i1", items=shown("a", "b")),
        an_impression("i2", items=shown("b", "c", first=2), at=NOON + timedelta(seconds=5)),
        an_impression("i0", source="server", items=shown("a", "b", "c", "d")),
    ]
    [request] = read(events, *parts).requests
    assert [(one.item_id, one.position) for one in request.shown] == [("a", 1), ("b", 2), ("c", 3)]


def test_a_tap_after_midnight_belongs_to_the_page_that_was_open(events):
    [request] = read(events, an_impression("i1"), a_tap("t1", at=NOON + timedelta(hours=13))).requests
    assert len(request.taps) == 1


def test_what_says_nothing_of_encoders_is_left_out_and_counted(events):
    forced = {"experiment": "x", "variant": "y", "forced": True}
    logged = read(
        events,
        an_impression("i1", "failed", error="ITEM_NOT_FOUND", items=[]),
        an_impression("i2", "checked", experiments=[forced]),
        an_impression("i3", "pictured", query_item_id=""),
        an_impression("i4", "empty", items=[]),
        an_impression("i5", "good"),
        a_tap("t1", "good", item_id="elsewhere"),
        an_impression("i6", "tomorrow", at=NOON + timedelta(days=1)),
    )
    assert [request.request_id for request in logged.requests] == ["good"]
    assert logged.left_out == {
        "request: it failed": 1,
        "request: its variant was forced, for a check": 1,
        "request: the query was a picture or an embedding": 1,
        "request: nothing was shown": 1,
        "tap: the item was not shown": 1,
    }


def test_a_damaged_partition_is_an_error_of_the_log(events):
    events.record(an_impression("i1"))
    events.compact()
    [file] = events.root.glob("impressions/*/*.parquet")
    file.write_bytes(b"PAR1")
    with pytest.raises(LogError, match="no whole Parquet file"):
        read_partitions(events.folder, DAY, DAY)
