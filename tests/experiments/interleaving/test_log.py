"""From events to credits by unit, on logs small enough to count by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from ruiji_events.queries import EventQueries
from ruiji_events.schema import Table
from ruiji_events.storage import EventFolder
from ruiji_experiments.analysis.analysing import analyse
from ruiji_experiments.analysis.planning import unit_deviation
from ruiji_experiments.analysis.results import METRICS
from ruiji_experiments.analysis.settings import AnalysisSettings
from ruiji_experiments.errors import LogError, SettingsError
from ruiji_experiments.interleaving.log import InterleavedLog, is_interleaved
from ruiji_experiments.simulation.event_log import write_rows

START = datetime(2026, 5, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Log:
    """Collects events, then opens them as a log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: dict[Table, list[dict[str, Any]]] = {table: [] for table in Table}
        self._ids = count()

    def page(self, request, unit, items, *, at=START, source="client", variant="", forced=False):
        """Items as `a:c b:k`: item a of the control, b of kinds, and without a colon of nobody."""
        shown = [
            {"item_id": item, "position": place, "team": {"c": "control", "k": "kinds"}.get(team, team or None)}
            for place, (item, _, team) in enumerate((one.partition(":") for one in items.split()), 1)
        ]
        assigned = [{"experiment": "x", "variant": variant, "forced": forced}]
        self._add(
            Table.IMPRESSIONS, request, unit, at, query_item_id="q", experiments=assigned, source=source, items=shown
        )

    def tap(self, request, *items, unit=None):
        for item in items:
            self._add(Table.TAPS, request, unit, START + HOUR, item_id=item)

    def buy(self, unit, item):
        self._add(Table.PURCHASES, None, unit, START + 2 * HOUR, item_id=item, amount_minor=9, currency_code="JPY")

    def _add(self, table, request, unit, at, **columns):
        common = {"event_id": f"e-{next(self._ids)}", "time": at, "received": at, "request_id": request, "unit": unit}
        self.rows[table].append(common | columns)

    def write(self) -> str:
        for table, rows in self.rows.items():
            if rows:
                write_rows(self.folder, table, rows)
        return str(self.folder)

    def read(self, **settings: Any) -> InterleavedLog:
        self.queries = EventQueries(EventFolder(self.write()))
        return InterleavedLog(self.queries.connection, AnalysisSettings("x", **{"control": "control"} | settings))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    made = Log(tmp_path / "events")
    yield made
    if hasattr(made, "queries"):
        made.queries.close()


def credits_of(read: InterleavedLog, event: str = "taps") -> list[tuple[float, float]]:
    found = read.credits(event)
    return list(zip(found.control.tolist(), found.treatment.tolist(), strict=True))


def test_taps_and_purchases_are_credited_by_unit_to_the_variant_that_picked_the_item(log):
    log.page("r1", "u1", "a:c b:k c:k")
    log.page("r2", "u1", "d:k e:c", at=START + timedelta(days=1))
    log.page("r3", "u2", "a:k b:c")
    log.tap("r1", "a", "b", "c")
    log.tap("r2", "d")
    log.buy("u1", "c")
    read = log.read()
    assert (read.control, read.treatment) == ("control", "kinds")
    assert credits_of(read) == [(1, 3), (0, 0)]
    assert credits_of(read, "purchases") == [(0, 1), (0, 0)]
    assert read.sizes() == (2, 3, 7)
    control, treatment = read.teams()
    assert (control.begins, control.items, control.taps, control.purchases) == (1, 3, 1, 0)
    assert (treatment.begins, treatment.items, treatment.taps, treatment.purchases) == (2, 4, 3, 1)


def test_what_the_caller_did_not_say_the_servers_own_log_does(log):
    log.page("r1", "u1", "a b")
    log.page("r1", "u1", "a:c b:k c:c", source="server")
    log.tap("r1", "b")
    read = log.read()
    assert credits_of(read) == [(0, 1)]
    assert read.sizes() == (1, 1, 2), "the caller's impressions count, for nobody saw c"


def test_items_of_nobody_are_shown_and_credited_to_nobody(log):
    log.page("r1", "u1", "a:c b:k c d")
    log.tap("r1", "c", "a")
    read = log.read()
    assert credits_of(read) == [(1, 0)]
    left_out = read.left_out()
    assert left_out["taps on items without a team"] == 1
    assert left_out["items without a team (a variant had no more, or no log says whose they are)"] == 2


def test_two_logs_that_contradict_each_other_about_an_item_settle_nothing(log):
    log.page("r1", "u1", "a:c b:k")
    log.page("r1", "u1", "a:k b:k", source="server")
    log.tap("r1", "a", "b")
    assert credits_of(log.read(shares={"control": 0.5, "kinds": 0.5})) == [(0, 1)]


def test_forced_requests_machines_and_requests_without_a_unit_do_not_count(log):
    log.page("r1", "u1", "a:c b:k")
    log.page("r2", "u2", "a", variant="kinds", forced=True)
    log.page("r3", None, "a:c b:k")
    for number in range(4):
        log.page(f"m{number}", "robot", "a:c b:k")
        log.tap(f"m{number}", "b")
    log.tap("r2", "a")
    log.tap("r1", "a")
    read = log.read(most_requests_per_day=3)
    assert credits_of(read) == [(1, 0)]
    left_out = read.left_out()
    assert left_out["requests whose variant was forced"] == 1
    assert left_out["requests without a unit"] == 1
    assert left_out["units with more than 3 requests on a day"] == 1


def test_an_item_that_was_scrolled_to_and_tapped_twice_counts_once(log):
    log.page("r1", "u1", "a:c b:k")
    log.page("r1", "u1", "a:c b:k", at=START + HOUR)
    log.tap("r1", "b", "b")
    assert credits_of(log.read()) == [(0, 1)]


def test_days_follow_each_other(log):
    log.page("r1", "u1", "a:c b:k")
    log.page("r2", "u1", "a:c b:k", at=START + timedelta(days=1))
    log.page("r3", "u0", "a:c b:k", at=START + timedelta(days=1))
    log.tap("r1", "a")
    log.tap("r3", "b")
    daily = log.read().daily_taps()
    assert [day.day for day in daily.days] == [4, 5]
    assert list(zip(daily.day, daily.unit, daily.taps.control, daily.taps.treatment, strict=True)) == [
        (0, 1, 1, 0), (1, 0, 0, 1), (1, 1, 0, 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"control": "old"}, "the control 'old' is none of control, kinds"),
        ({"shares": {"control": 0.5, "wide": 0.5}}, "no variants of the definition: kinds"),
    ],
)
def test_variants_of_another_experiment_are_refused(log, settings, message):
    log.page("r1", "u1", "a:c b:k")
    with pytest.raises(SettingsError, match=message):
        log.read(**settings)


def test_one_variant_alone_needs_the_definition_to_name_the_other(log):
    log.page("r1", "u1", "a:c")
    with pytest.raises(SettingsError, match="give its --definition"):
        log.read()
    log.queries.close()
    assert log.read(shares={"control": 0.5, "kinds": 0.5}).treatment == "kinds"


def test_a_log_that_knows_no_team_says_who_should(log):
    log.page("r1", "u1", "a b")
    with pytest.raises(LogError, match=r"`impression_event` does, or serve with --log-impressions"):
        log.read()


def test_an_experiment_of_the_other_kind_is_refused_and_says_which_it_is(log, tmp_path):
    log.page("r1", "u1", "a:c b:k")
    interleaved = log.write()
    settings = AnalysisSettings("x", "control")
    for refused in (lambda: analyse(interleaved, settings), lambda: unit_deviation(interleaved, settings, METRICS[0])):
        with pytest.raises(LogError, match="is interleaved: each page was drawn from both variants"):
            refused()
    other = Log(tmp_path / "other")
    other.page("r1", "u1", "a b", variant="kinds")
    with pytest.raises(LogError, match="no interleaved page"):
        other.read()
    other.queries.close()
    assert (is_interleaved(interleaved, "x"), is_interleaved(interleaved, "y")) == (True, False)
    assert not is_interleaved(str(other.folder), "x")
