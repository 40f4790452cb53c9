"""Reports of experiments are kept once each, in order, the newest of each experiment."""

from __future__ import annotations

import itertools
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from ruiji_experiments.definition.model import Experiment, Settings, Variant
from ruiji_server.domain.errors import ExperimentNotFound, InvalidArgument, Reason, ReportNotFound
from ruiji_server.store import experiment_reports
from ruiji_server.store.engine import Database
from ruiji_server.store.experiment_changes import Change, put_experiment
from ruiji_server.store.experiment_reports import (
    KEPT_REPORTS,
    Publication,
    experiment_report,
    list_reports,
    publish_report,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
VARIANTS = (Variant("control", 5_000), Variant("wide", 5_000, Settings(max_price_ratio=3.0)))


def put(database: Database, name: str) -> None:
    wanted = Experiment(name, VARIANTS, NOW, traffic_bp=1_000)
    put_experiment(database, name, lambda _before: wanted, Change("ada", "to see", NOW), ())


@pytest.fixture
def store(database: Database) -> Database:
    """With two experiments, x1 and x2."""
    put(database, "x1")
    put(database, "x2")
    return database


def publish(database: Database, name: str = "x1", content: str = "{}", **changes: Any) -> Publication:
    options: dict[str, Any] = {"author": "ada", "request_id": "r", "now": NOW} | changes
    variants = options.pop("variants", ["control", "wide"])
    return publish_report(database, name, content, variants, **options)


def test_what_was_published_is_read_back_with_who_and_when(store):
    published = publish(store, content='{"é": 1}', author="bob").report
    assert published == experiment_report(store, "x1") == experiment_report(store, "x1", published.number)
    assert (published.experiment, published.content, published.author, published.published_at) == (
        "x1", '{"é": 1}', "bob", NOW,
    )  # fmt: skip


def test_the_latest_is_the_last_that_was_published_and_the_others_stay(store):
    numbers = [publish(store, content=str(n), request_id=str(n)).report.number for n in range(3)]
    assert numbers == sorted(set(numbers))
    assert experiment_report(store, "x1").content == "2"
    assert [report.content for report in list_reports(store, 10, "x1")] == ["2", "1", "0"]
    assert [report.content for report in list_reports(store, 2)] == ["2", "1"]


def test_a_repeated_call_publishes_nothing_even_after_a_newer_report(store):
    first = publish(store, content="1", request_id="a")
    publish(store, content="2", request_id="b")
    again = publish(store, content="1", request_id="a", now=NOW + timedelta(hours=1))
    assert (first.replayed, again.replayed) == (False, True)
    assert again.report == first.report
    assert experiment_report(store, "x1").content == "2"


@pytest.mark.parametrize("changes", [{"content": "2"}, {"author": "bob"}])
def test_a_request_id_cannot_be_used_for_another_report(store, changes):
    publish(store, content="1")
    with pytest.raises(InvalidArgument, match="another report") as caught:
        publish(store, **{"content": "1"} | changes)
    assert (caught.value.reason, caught.value.field) == (Reason.REQUEST_ID_REUSED, "request_id")
    assert not publish(store, "x2", content="2").replayed, "each experiment has its own"


def test_who_calls_at_the_same_time_publishes_once(store):
    outcomes: list[Publication] = []
    threads = [threading.Thread(target=lambda: outcomes.append(publish(store))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome.replayed for outcome in outcomes) == [False, True, True, True]
    assert len(list_reports(store, 10, "x1")) == 1


def test_the_latest_of_each_experiment_comes_newest_first(store):
    for number, name in enumerate(("x1", "x2", "x1", "x2", "x1")):
        publish(store, name, content=str(number), request_id=str(number))
    assert [report.content for report in list_reports(store, 10, latest_only=True)] == ["4", "3"]
    assert [report.content for report in list_reports(store, 1, latest_only=True)] == ["4"]
    assert [report.content for report in list_reports(store, 10, "x2", latest_only=True)] == ["3"]


def test_an_experiment_without_a_report_says_how_to_publish_one(store):
    with pytest.raises(ReportNotFound, match="`ruiji experiment report x1 --publish`"):
        experiment_report(store, "x1")
    assert list_reports(store, 10, "x1") == []
    publish(store, "x2")
    with pytest.raises(ReportNotFound, match="has no report 1"):
        experiment_report(store, "x1", 1)


@pytest.mark.parametrize("name", ["nobody", "x1\0", ""])
def test_an_experiment_that_is_not_there_is_named(store, name):
    for call in (publish, experiment_report, lambda database, name: list_reports(database, 1, name)):
        with pytest.raises(ExperimentNotFound) as caught:
            call(store, name)
        assert repr(name) in caught.value.message


def test_a_report_of_variants_that_the_experiment_has_not_is_refused(store):
    with pytest.raises(InvalidArgument, match="the variants control, wide, and the report is of 'narrow'") as caught:
        publish(store, variants=["control", "narrow"])
    assert (caught.value.reason, caught.value.field) == (Reason.EXPERIMENT_REPORT_INVALID, "report.variants")


def test_the_newest_are_kept_and_other_experiments_have_their_own(store, monkeypatch):
    assert KEPT_REPORTS >= 50, "the contract promises as many"
    monkeypatch.setattr(experiment_reports, "KEPT_REPORTS", 3)
    publish(store, "x2", content="of x2")
    for number in range(5):
        publish(store, content=str(number), request_id=str(number))
    assert [report.content for report in list_reports(store, 10)] == ["4", "3", "2", "of x2"]


class ReportsOverTime(RuleBasedStateMachine):
    """Whoever publishes what, and however often calls are repeated, the store has what a list would."""

    database: Database
    KEPT = 3

    def __init__(self) -> None:
        super().__init__()
        self.new_id = map(str, itertools.count())
        self.published: dict[str, list[tuple[str, str]]] = {"x1": [], "x2": []}
        with self.database.write() as connection:
            connection.exec_driver_sql("DELETE FROM experiment_reports")

    @rule(name=st.sampled_from(["x1", "x2"]), content=st.sampled_from("abc"))
    def publish_one(self, name, content):
        request_id = next(self.new_id)
        assert not publish(self.database, name, content, request_id=request_id).replayed
        self.published[name] = [*self.published[name], (request_id, content)][-self.KEPT :]

    @rule(name=st.sampled_from(["x1", "x2"]), data=st.data())
    def repeat_one(self, name, data):
        if self.published[name]:
            request_id, content = data.draw(st.sampled_from(self.published[name]))
            assert publish(self.database, name, content, request_id=request_id).replayed

    @invariant()
    def the_newest_are_there(self):
        for name, published in self.published.items():
            found = [report.content for report in list_reports(self.database, 10, name)]
            assert found == [content for _, content in reversed(published)]
        latest = {report.experiment: report.content for report in list_reports(self.database, 10, latest_only=True)}
        assert latest == {name: published[-1][1] for name, published in self.published.items() if published}


def test_over_time_reports_are_what_a_list_would_be(store, monkeypatch):
    monkeypatch.setattr(experiment_reports, "KEPT_REPORTS", ReportsOverTime.KEPT)
    machine = type("OfThisStore", (ReportsOverTime,), {"database": store})
    run_state_machine_as_test(machine, settings=settings(max_examples=10, stateful_step_count=15, deadline=None))
