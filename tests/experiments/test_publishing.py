"""A report is published on a real server, says there what it says here, and fails with words."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ruiji_cli.failures import explained_failures
from ruiji_cli.main import app
from ruiji_cli.report_publishing import publish_report, report_message
from ruiji_client import Experiment, ExperimentStage, GuardrailState, ImpressionSource, RuijiClient, Variant
from ruiji_experiments.analysis.analysing import analyse
from ruiji_experiments.analysis.results import ExperimentAnalysis, Interval
from ruiji_experiments.analysis.settings import AnalysisSettings
from ruiji_experiments.simulation.event_log import SimulatedArm, SimulatedExperiment, write_event_log
from typer.testing import CliRunner

from tests.support.installations import product

NOBODY = "127.0.0.1:1"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The target of a server with two experiments, of which one has other variants than the events."""
    with product(tmp_path_factory.mktemp("product")) as running, RuijiClient(running.target) as client:
        for name, variant in (("simulated", "slow"), ("other", "wide")):
            variants = [Variant(name="control", share_bp=5_000), Variant(name=variant, share_bp=5_000, candidates=500)]
            wanted = Experiment(name=name, variants=variants, traffic_bp=5_000)
            client.put_experiment(wanted, author="ada", reason="to see")
        yield running.target


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log in which one variant is slow."""
    folder = tmp_path_factory.mktemp("events")
    arms = {"control": SimulatedArm(), "slow": SimulatedArm(latency_factor=3.0)}
    write_event_log(folder, SimulatedExperiment(arms=arms, units_per_arm=120, days=2, pre_days=0))
    return folder


@pytest.fixture(scope="module")
def analysis(events: Path) -> ExperimentAnalysis:
    return analyse(str(events), AnalysisSettings("simulated", "control", resamples=0))


@pytest.fixture
def report(events: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """Arguments that make and publish a report into `tmp_path`."""

    def command(name: str, target: str, *options: str) -> list[str]:
        files = ["--events", str(events), "--out", str(tmp_path), "--resamples", "0"]
        return ["experiment", "report", name, *files, "--publish", "--target", target, *options]

    return command


@pytest.fixture
def explained(capsys: pytest.CaptureFixture[str]) -> Callable[[list[str]], str]:
    def fail(command: list[str]) -> str:
        with pytest.raises(SystemExit) as caught, explained_failures():
            app(command, standalone_mode=False)
        assert caught.value.code == 1
        return " ".join(capsys.readouterr().err.split())

    return fail


def test_what_is_published_is_what_the_report_says(server, report, tmp_path):
    result = CliRunner().invoke(app, report("simulated", server, "--author", "ada"))
    assert result.exit_code == 0, result.output
    assert "published: report " in result.output
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    with RuijiClient(server) as client:
        published = client.get_report("simulated").report
    found = published.report
    assert (published.author, found.control) == ("ada", "control")
    assert found.source == ImpressionSource.IMPRESSION_SOURCE_SERVER
    assert found.events_start.ToDatetime(UTC) == datetime.fromisoformat(results["span"]["start"])
    assert found.events_end.ToDatetime(UTC) == datetime.fromisoformat(results["span"]["end"])
    assert found.assignment.p_value == results["assignment"]["p_value"]
    assert not found.assignment.mismatch
    assert [(one.variant, one.units) for one in found.variants] == [
        (one["variant"], one["units"]) for one in results["variants"]
    ]
    [control, slow] = found.variants
    assert not control.guardrails
    assert not any(measure.HasField("lift") for measure in control.measures)
    for measure, lift in zip(slow.measures, results["lifts"], strict=True):
        assert (measure.measure, slow.variant) == (lift["metric"], lift["variant"])
        assert measure.lift.value == lift["plain"]["lift"]["value"]
        assert (measure.lift.low, measure.lift.high) == (lift["plain"]["lift"]["low"], lift["plain"]["lift"]["high"])
        assert measure.p_value == lift["p_corrected"]
        if lift["always_valid"] is None:
            assert not measure.HasField("always_valid_lift")
        else:
            assert measure.always_valid_lift.low == lift["always_valid"]["lift"]["low"]
            assert measure.always_valid_p_value == lift["always_valid"]["p_value"]
    states = {one.guardrail: GuardrailState.Name(one.state).removeprefix("GUARDRAIL_STATE_").lower()
              for one in slow.guardrails}  # fmt: skip
    assert states == {one["name"]: one["state"] for one in results["guardrails"]}
    assert states["latency p50"] == "violated"


def test_each_publication_is_another_report_and_the_latest_is_shown(server, analysis):
    numbers = [publish_report(server, analysis, "ada").number for _ in range(2)]
    with RuijiClient(server) as client:
        assert client.get_report("simulated").report.number == numbers[-1]
        assert [one.number for one in client.list_reports("simulated").reports][:2] == numbers[::-1]


def test_what_cannot_be_computed_is_left_out_and_the_rest_is_taken(server, analysis):
    slow = analysis.variants[1]
    metrics = {"ctr": Interval(0.0, math.nan, math.nan), "cvr": None}
    lift = analysis.lifts[0]
    endless = replace(lift.plain, lift=Interval(0.3, -1.0, math.inf))
    unsure = replace(
        analysis,
        variants=(analysis.variants[0], replace(slow, metrics=metrics)),
        lifts=(replace(lift, metric="ctr", always_valid=endless), replace(lift, metric="cvr", plain=None)),
        guardrails=tuple(
            replace(one, harm=None, low=None, high=None, state="undecided") for one in analysis.guardrails
        ),
    )
    [ctr, cvr] = report_message(unsure).variants[1].measures
    assert (ctr.rate.value, ctr.rate.HasField("low")) == (0.0, False)
    assert ctr.HasField("lift")
    assert not ctr.HasField("always_valid_lift")
    assert not cvr.HasField("rate")
    assert not cvr.HasField("lift")
    published = publish_report(server, unsure, "ada")
    assert not any(one.HasField("harm") for one in published.report.variants[1].guardrails)


def test_an_experiment_that_the_server_has_not_is_named(server, explained, tmp_path):
    write_event_log(tmp_path / "log", SimulatedExperiment("nowhere", units_per_arm=60, days=1, pre_days=0))
    command = ["experiment", "report", "nowhere", "--events", str(tmp_path / "log"), "--out", str(tmp_path)]
    message = explained([*command, "--resamples", "0", "--publish", "--target", server])
    assert f"{server} has no experiment 'nowhere'" in message
    assert (tmp_path / "report.html").exists(), "the report itself was made"


def test_variants_that_the_experiment_has_not_are_named(server, explained, tmp_path):
    write_event_log(tmp_path / "log", SimulatedExperiment("other", units_per_arm=60, days=1, pre_days=0))
    command = ["experiment", "report", "other", "--events", str(tmp_path / "log"), "--out", str(tmp_path)]
    message = explained([*command, "--resamples", "0", "--publish", "--target", server])
    assert "experiment 'other' has the variants control, wide, and the report is of 'treatment'" in message


def test_a_server_that_is_not_there_is_named(explained, report):
    message = explained(report("simulated", NOBODY))
    assert f"the report was not published: there is no answer from {NOBODY}" in message


def test_a_script_learns_of_a_violated_guardrail_although_nothing_could_be_published(report):
    result = CliRunner().invoke(app, report("simulated", NOBODY, "--fail-on-guardrail"))
    assert result.exit_code == 3, result.output
    assert "the report was not published" in result.output


def test_who_stops_an_experiment_by_its_report_publishes_it_too(server, report):
    result = CliRunner().invoke(app, report("simulated", server, "--rollback-on-guardrail"))
    assert result.exit_code == 0, result.output
    with RuijiClient(server) as client:
        assert client.get_experiment("simulated").status.stage == ExperimentStage.EXPERIMENT_STAGE_ENDED
        [latest] = [one for one in client.list_reports(latest_only=True).reports if one.experiment == "simulated"]
    assert f"published: report {latest.number}" in result.output
