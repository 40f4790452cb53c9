"""`ruiji experiment report`, `replay` and `size`, as a person runs them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from ruiji_cli.failures import explained_failures
from ruiji_cli.main import app
from ruiji_events.schema import Table
from ruiji_experiments.replay.exploration import Exploration
from ruiji_experiments.simulation.clicks import simulate_pages
from ruiji_experiments.simulation.event_log import SimulatedArm, SimulatedExperiment, write_event_log, write_rows
from typer.testing import CliRunner

DEFINITION = """
name = "simulated"
start = 2026-05-04T00:00:00Z

[[variants]]
name = "control"
share = 0.5

[[variants]]
name = "treatment"
share = 0.5
max_price_ratio = 3.0
"""


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["experiment", *(str(argument) for argument in arguments)])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


@pytest.fixture
def explained(capsys):
    def fail(*arguments: object) -> str:
        with pytest.raises(SystemExit) as caught, explained_failures():
            app(["experiment", *(str(argument) for argument in arguments)], standalone_mode=False)
        assert caught.value.code == 1
        return " ".join(capsys.readouterr().err.split())

    return fail


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    folder = tmp_path_factory.mktemp("events")
    write_event_log(folder, SimulatedExperiment(units_per_arm=200, days=3, pre_days=2))
    return folder


@pytest.fixture(scope="module")
def explored(tmp_path_factory):
    """A log of pages with propensities, and one page from before there was any exploration."""
    folder = tmp_path_factory.mktemp("explored")
    pages = simulate_pages(1_500, Exploration(1.0, 5), np.random.default_rng(0), length=5).logged
    start = datetime(2026, 5, 4, tzinfo=UTC)
    impressions, taps = [], []
    for page in range(pages.pages):
        rows = range(page * 5, page * 5 + 5)
        common = {"received": start, "time": start + timedelta(seconds=page), "request_id": f"r-{page}"}
        items = [
            {
                "item_id": str(pages.item[row]),
                "position": int(pages.position[row]),
                "propensity": float(pages.propensity[row]),
                **{name: float(values[row]) for name, values in pages.features.items()},
            }
            for row in rows
        ]
        kind = {"query_item_id": "q", "experiments": [], "source": "server", "items": items}
        impressions.append(common | kind | {"event_id": f"i-{page}", "unit": f"{pages.unit[page * 5]:016x}"})
        taps += [
            common | {"event_id": f"t-{row}", "item_id": str(pages.item[row])} for row in rows if pages.tapped[row]
        ]
    before = [{key: value for key, value in item.items() if key != "propensity"} for item in impressions[0]["items"]]
    impressions.append(impressions[0] | {"event_id": "i-before", "request_id": "before", "items": before})
    both = [{"experiment": "x", "variant": "", "forced": False}]
    impressions.append(impressions[0] | {"event_id": "i-both", "request_id": "both", "experiments": both})
    write_rows(folder, Table.IMPRESSIONS, impressions)
    write_rows(folder, Table.TAPS, taps)
    return folder


def test_a_report_ends_in_a_table_and_files(events, tmp_path):
    definition = tmp_path / "experiment.toml"
    definition.write_text(DEFINITION)
    out = tmp_path / "out"
    shown = run(
        "report", "simulated", "--events", events, "--definition", definition, "--out", out, "--resamples", 50
    )  # fmt: skip
    assert "treatment" in shown
    assert {file.name for file in out.iterdir()} >= {"report.md", "report.html", "results.json", "verdict.json"}
    assert "planned shares" in (out / "report.md").read_text()
    assert json.loads((out / "results.json").read_text())["settings"]["start"] == "2026-05-04 00:00:00+00:00"


def test_a_definition_without_a_start_leaves_out_nothing(events, tmp_path):
    """It began when it was put, which only the server knows; it must not be taken to begin with the report."""
    definition = tmp_path / "experiment.toml"
    definition.write_text(DEFINITION.replace("start = 2026-05-04T00:00:00Z\n", ""))
    out = tmp_path / "out"
    run("report", "simulated", "--events", events, "--definition", definition, "--out", out, "--resamples", 0)
    assert json.loads((out / "results.json").read_text())["settings"]["start"] is None


def test_segments_are_those_that_were_asked_for(events, tmp_path):
    items, definition = tmp_path / "items.csv", tmp_path / "experiment.toml"
    rows = [f"i-{item:04d},{('Shoes > Boots', 'Bags')[item % 2]},{item}" for item in range(500)]
    items.write_text("item_id,category_path,price\n" + "\n".join(rows) + "\n")
    definition.write_text(DEFINITION + '\n[target]\ncategories = [["Shoes", "Boots"], ["Bags"]]\n')
    command = ("report", "simulated", "--events", events, "--items", items, "--definition", definition)
    for wanted, dimensions in (
        ((), {"category", "price band"}),
        (("--segment", "target"), {"target"}),
        (("--segment", "target", "--segment", "price"), {"target", "price band"}),
    ):
        run(*command, *wanted, "--out", tmp_path / "out", "--resamples", 0)
        segments = json.loads((tmp_path / "out" / "results.json").read_text())["segments"]
        assert {row["dimension"] for row in segments} == dimensions
        labels = {row["label"] for row in segments if row["dimension"] == "target"}
        assert labels == ({"Shoes > Boots", "Bags"} if "target" in dimensions else set())


def test_a_violated_guardrail_can_end_a_script(tmp_path):
    arms = {"control": SimulatedArm(), "slow": SimulatedArm(latency_factor=3.0)}
    write_event_log(tmp_path / "events", SimulatedExperiment(arms=arms, units_per_arm=150, days=2, pre_days=0))
    command = ("report", "simulated", "--events", tmp_path / "events", "--out", tmp_path / "out", "--resamples", 0)
    assert "slow violates the guardrail on latency p50" in run(*command)
    run(*command, "--fail-on-guardrail", code=3)
    assert json.loads((tmp_path / "out" / "verdict.json").read_text())["rollback"] is True


def test_a_size_from_figures_and_from_a_past_experiment(events):
    shown = run("size", "--lift", 0.1, "--rate", 0.05, "--events-per-unit", 20, "--design-effect", 1)
    assert "+10.0% │ 1,642" in shown
    assert "-60.0%" in run("size", "--lift", -0.6, "--rate", 0.05, "--events-per-unit", 20), "twice as much is nothing"
    assert "+5.0%" in run("size", "--lift", 0.1, "--experiment", "simulated", "--events", events)


def test_a_size_of_an_interleaved_experiment():
    shown = run("size", "--preference", 0.2, "--decided-share", 0.5)
    assert "│ +0.20 │ 398 │" in shown
    assert "+0.10" in shown


def test_a_replay_ends_in_estimates(explored):
    shown = run("replay", "--category-weight", 0.3, "--positions", 2, "--events", explored)
    assert "1,500 pages of 375 units" in shown
    assert "left out: 1 x pages without propensities" in shown
    assert "left out: 1 x interleaved pages" in shown
    assert all(name in shown for name in ("as logged", "IPS", "SNIPS", "DR"))


def test_mistakes_are_explained(explained, events, tmp_path):
    report = ("report", "simulated", "--events", events, "--out", tmp_path)
    assert "VARIANT=SHARE" in explained(*report, "--share", "control")
    assert "no unit was given the control 'old'" in explained(*report, "--control", "old")
    assert "these experiments: simulated" in explained("report", "other", "--events", events)
    other = tmp_path / "other.toml"
    other.write_text(DEFINITION.replace("simulated", "other"))
    assert "defines the experiment 'other'" in explained(*report, "--definition", other)
    items = tmp_path / "items.csv"
    items.write_text("item_id,category_path,price\n")
    assert "--segment needs --items" in explained(*report, "--segment", "category")
    assert "--segment target needs --definition" in explained(*report, "--items", items, "--segment", "target")
    assert "has propensities" in explained("replay", "--category-weight", 0.5, "--events", events)
    assert "either --experiment" in explained("size", "--lift", 0.1)
    assert "either --lift" in explained("size", "--rate", 0.1)
    assert "needs --decided-share" in explained("size", "--preference", 0.1)
    assert "not 0, such as 0.1" in explained("size", "--preference", 0.0, "--decided-share", 0.1)
    assert "above -1 and not 0" in explained("size", "--lift", -1.6, "--rate", 0.1, "--events-per-unit", 9)
    assert "needs --events-per-unit" in explained("size", "--lift", 0.1, "--rate", 0.1)
    assert "--metric is one of ctr" in explained(
        "size", "--lift", 0.1, "--experiment", "simulated", "--events", events, "--metric", "gmv"
    )
