"""From events to sums, on logs small enough to count by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from ruiji_events.queries import EventQueries
from ruiji_events.schema import Table
from ruiji_events.storage import EventFolder
from ruiji_experiments.analysis.counts import ExperimentLog
from ruiji_experiments.analysis.settings import AnalysisSettings
from ruiji_experiments.errors import LogError
from ruiji_experiments.simulation.event_log import write_rows

START = datetime(2026, 5, 4, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Log:
    """Collects events, then opens them as a log."""

    def __init__(self, folder):
        self.folder = folder
        self.rows: dict[Table, list[dict[str, Any]]] = {table: [] for table in Table}
        self._ids = count()

    def page(self, request, unit, variant, items="ab", at=START, source="server", forced=False, **columns):
        assigned = [{"experiment": "band", "variant": variant, "forced": forced}] if variant else []
        shown = [{"item_id": item, "position": place} for place, item in enumerate(items, 1)]
        self._add(
            Table.IMPRESSIONS, at, request, unit, query_item_id="q", experiments=assigned, source=source,
            items=shown, **columns,
        )  # fmt: skip

    def tap(self, request, item, at=START, unit=None):
        self._add(Table.TAPS, at, request, unit, item_id=item)

    def buy(self, unit, item, at, request=None):
        self._add(Table.PURCHASES, at, request, unit, item_id=item, amount_minor=100, currency_code="JPY")

    def _add(self, table, at, request, unit, **columns):
        common = {"event_id": f"e-{next(self._ids)}", "time": at, "received": at + HOUR, "request_id": request}
        self.rows[table].append(common | {"unit": unit} | columns)

    def read(self, **settings):
        for table, rows in self.rows.items():
            if rows:
                write_rows(self.folder, table, rows)
        self.queries = EventQueries(EventFolder(str(self.folder)))
        return ExperimentLog(self.queries.connection, AnalysisSettings("band", "control", **settings))


@pytest.fixture
def log(tmp_path):
    made = Log(tmp_path / "events")
    yield made
    if hasattr(made, "queries"):
        made.queries.close()


def totals(read: ExperimentLog) -> dict[str, dict[str, float]]:
    sums = read.unit_sums()
    return {
        variant: {name: float(values[sums.of(variant)].sum()) for name, values in sums.during.items()}
        for variant in sums.variants
    }


def test_pages_taps_and_purchases_are_summed_by_unit(log):
    log.page("r1", "u1", "control", "abc")
    log.page("r2", "u1", "control", "ab", START + HOUR)
    log.page("r3", "u2", "wide", "ab")
    log.tap("r1", "a", START + HOUR)
    log.tap("r3", "b", START + HOUR)
    log.buy("u2", "b", START + DAY)
    assert totals(log.read()) == {
        "control": {"units": 1, "impressions": 5, "taps": 1, "purchases": 0},
        "wide": {"units": 1, "impressions": 2, "taps": 1, "purchases": 1},
    }


def test_an_item_is_shown_and_tapped_once_a_request_however_often_it_is_logged(log):
    log.page("r1", "u1", "control", "ab", source="client")
    log.page("r1", "u1", "control", "bc", START + HOUR, source="client")
    for _ in range(3):
        log.tap("r1", "b", START + HOUR)
    assert totals(log.read())["control"] == {"units": 1, "impressions": 3, "taps": 1, "purchases": 0}


def test_what_was_on_the_screen_counts_where_clients_say_it(log):
    log.page("r1", "u1", "control", "abcdef", source="server")
    log.page("r1", "u1", None, "ab", source="client")
    log.page("r2", "u2", "control", "abc", source="server")
    read = log.read()
    assert read.span.source == "client"
    assert totals(read)["control"]["impressions"] == 2
    assert read.left_out()["requests of which the client logged no item"] == 1


def test_or_what_was_sent_where_that_is_asked_for(log):
    log.page("r1", "u1", "control", "abcdef", source="server")
    log.page("r1", "u1", "control", "ab", source="client")
    assert totals(log.read(source="server"))["control"]["impressions"] == 6


@pytest.mark.parametrize(
    ("unit", "item", "after", "counts"),
    [
        ("u1", "a", 2 * DAY, 1),
        ("u1", "a", 6 * DAY, 0),
        ("u1", "b", 2 * DAY, 0),
        ("u2", "a", 2 * DAY, 0),
        ("u1", "a", -HOUR, 0),
    ],
    ids=["in the window", "too late", "another item", "another unit", "before the tap"],
)
def test_a_purchase_belongs_to_a_tap_of_its_unit_on_its_item_before_it(log, unit, item, after, counts):
    log.page("r1", "u1", "control", "ab")
    log.page("r2", "u2", "control", "ab")
    log.tap("r1", "a", START)
    log.buy(unit, item, START + after)
    assert totals(log.read(purchase_window_days=5))["control"]["purchases"] == counts


def test_a_purchase_belongs_to_the_last_such_tap_even_outside_the_experiment(log):
    log.page("r1", "u1", "control", "a")
    log.page("r2", "u1", None, "a", START + HOUR)
    log.tap("r1", "a", START)
    log.tap("r2", "a", START + HOUR)
    log.buy("u1", "a", START + 2 * HOUR)
    assert totals(log.read(end=START + DAY))["control"]["purchases"] == 0


def test_a_purchase_without_a_unit_is_that_of_its_request(log):
    log.page("r1", "u1", "control", "a")
    log.tap("r1", "a")
    log.buy(None, "a", START + HOUR, request="r1")
    assert totals(log.read())["control"]["purchases"] == 1


def test_what_is_left_out_is_counted(log):
    log.page("r1", "u1", "control", "ab")
    log.page("r2", "u1", "wide", "ab", forced=True)
    log.page("r3", None, "wide", "ab")
    log.page("r4", "u2", "control", "ab")
    log.page("r5", "u2", "wide", "ab")
    for number in range(4):
        log.page(f"m{number}", "robot", "wide", "ab", START + number * HOUR)
    log.page("r6", "u3", "wide", "")
    log.tap("r1", "z")
    read = log.read(most_requests_per_day=3)
    assert totals(read) == {
        "control": {"units": 1, "impressions": 2, "taps": 0, "purchases": 0},
        "wide": {"units": 1, "impressions": 0, "taps": 0, "purchases": 0},
    }
    assert list(read.left_out().values()) == [1, 1, 1, 1, 1, 1, 0]
    assert read.assigned_units() == {"control": 1, "wide": 2}, "machines were assigned too"


def test_the_past_is_that_of_the_same_units_before_the_start(log):
    log.page("p0", "u1", None, "abc", START - 20 * DAY)
    log.page("p1", "u1", None, "ab", START - 2 * DAY)
    log.tap("p1", "a", START - 2 * DAY)
    log.page("p2", "stranger", None, "ab", START - 2 * DAY)
    log.page("r1", "u1", "control", "ab")
    log.page("r2", "u2", "control", "ab")
    sums = log.read(start=START, pre_period_days=7).unit_sums()
    assert {name: values.tolist() for name, values in sums.before.items()} == {
        "units": [1, 0],
        "impressions": [2, 0],
        "taps": [1, 0],
        "purchases": [0, 0],
    }


def test_only_requests_between_start_and_end_count(log):
    for number, at in enumerate((START - HOUR, START, START + DAY - HOUR, START + DAY)):
        log.page(f"r{number}", "u1", "control", "ab", at)
    assert totals(log.read(start=START, end=START + DAY))["control"]["impressions"] == 4


def test_days_add_up_to_the_whole(log):
    for number in range(6):
        log.page(f"r{number}", f"u{number % 2}", "control", "abc"[: number % 3 + 1], START + number * 13 * HOUR)
    read = log.read()
    daily, sums = read.daily_sums(), read.unit_sums()
    assert [str(day) for day in daily.days] == ["2026-05-04", "2026-05-05", "2026-05-06"]
    for unit in (0, 1):
        assert daily.sums["impressions"][daily.unit == unit].sum() == sums.during["impressions"][unit]


def test_the_servers_own_record_says_how_requests_went(log):
    log.page("r1", "u1", "control", "ab", latency_us=900, page_size=3, exhausted=False)
    log.page("r1", "u1", "control", "ab", source="client", latency_us=99_000, page_size=3)
    log.page("r2", "u1", "control", "ab", latency_us=800, page_size=3, exhausted=True)
    log.page("r3", "u2", "control", "", error="DEADLINE")
    found = log.read().guardrail_requests()
    rows = sorted(zip(found["latency_us"], found["short"], found["failed"], strict=True), key=str)
    assert str(rows) == "[(800.0, 0.0, 0.0), (900.0, 1.0, 0.0), (nan, nan, 1.0)]"


def test_clients_say_how_long_they_waited_but_not_whether_the_page_was_whole(log):
    log.page("r1", "u1", "control", "ab", source="client", latency_us=99_000, page_size=3, exhausted=False)
    log.page("r2", "u1", "control", "ab", source="client")
    found = log.read().guardrail_requests()
    rows = sorted(zip(found["latency_us"], found["short"], found["failed"], strict=True), key=str)
    assert str(rows) == "[(99000.0, nan, 0.0), (nan, nan, 0.0)]"


def test_another_experiment_is_named_when_there_is_nothing_of_this_one(log):
    log.page("r1", "u1", "control", "ab")
    with pytest.raises(LogError, match=r"experiment 'band' in the time asked for; it has these experiments: band"):
        log.read(start=START + DAY)
