"""Reports: complete, self-contained, safe against what strangers wrote; verdicts that a machine can act on."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from ruiji_experiments.analysis.analysing import analyse
from ruiji_experiments.analysis.segments import Segmentation
from ruiji_experiments.analysis.settings import AnalysisSettings
from ruiji_experiments.report import write_report
from ruiji_experiments.report.tables import tables_of
from ruiji_experiments.report.verdict import verdict_of
from ruiji_experiments.simulation.event_log import SimulatedArm, SimulatedExperiment, write_event_log
from ruiji_experiments.simulation.population import Population

SETTINGS = AnalysisSettings("simulated", "control", resamples=200)


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    folder = tmp_path_factory.mktemp("events")
    write_event_log(folder, SimulatedExperiment(units_per_arm=300, days=4, pre_days=4))
    items = folder / "items.csv"
    rows = [f"i-{item:04d},{('Shoes', '帽子')[item % 2]}" for item in range(500)]
    items.write_text("item_id,category_path\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return analyse(str(folder), SETTINGS, segmentations=[Segmentation("category", items, "category_path")])


@pytest.fixture(scope="module")
def violated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slow")
    arms = {"control": SimulatedArm(), "slow": SimulatedArm(latency_factor=2.0)}
    write_event_log(folder, SimulatedExperiment(arms=arms, units_per_arm=300, days=3, pre_days=0))
    return analyse(str(folder), AnalysisSettings("simulated", "control", shares={"control": 0.2, "slow": 0.8}))


@pytest.fixture(scope="module")
def written(analysis, tmp_path_factory):
    return write_report(analysis, tmp_path_factory.mktemp("report"))


def test_markdown_and_html_tell_the_same(analysis, written):
    markdown, html = written.markdown.read_text(), written.html.read_text()
    for table in tables_of(analysis):
        assert f"## {table.title}" in markdown
        assert f"<h2>{table.title}</h2>" in html
    value = f"{analysis.lifts[0].plain.lift.value:+.1%}"
    assert value in markdown
    assert value in html


def test_the_page_asks_nobody_for_anything(written):
    page = written.html.read_text()
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert written.html.stat().st_size < 1_000_000


def test_plots_stand_beside_the_markdown(written):
    names = re.findall(r"\]\((plot-[^)]+)\)", written.markdown.read_text())
    assert names[:2] == ["plot-lifts-with-their-intervals.png", "plot-ctr-lift-by-day.png"]
    assert names[-1] == "plot-ctr-lift-by-category.png"
    for name in names:
        assert (written.markdown.parent / name).read_bytes().startswith(b"\x89PNG")


def test_machines_read_the_same_figures(analysis, written):
    results = json.loads(written.results.read_text())
    assert results["lifts"][0]["plain"]["lift"]["value"] == analysis.lifts[0].plain.lift.value
    assert results["settings"]["experiment"] == "simulated"


def test_a_good_experiment_is_to_be_believed_and_kept(analysis, written):
    verdict = json.loads(written.verdict.read_text())
    assert (verdict["trustworthy"], verdict["rollback"], verdict["reasons"]) == (True, False, [])
    assert {one["name"] for one in verdict["guardrails"]} == {"latency p50", "latency p95", "short pages", "errors"}
    assert "equal shares, which were assumed" in written.markdown.read_text()


def test_a_violated_guardrail_and_a_wrong_assignment_are_said_first(violated, tmp_path):
    written = write_report(violated, tmp_path)
    verdict = json.loads(written.verdict.read_text())
    assert (verdict["trustworthy"], verdict["rollback"]) == (False, True)
    text = written.markdown.read_text()
    assert text.index("believe no lift of this report") < text.index("## Variants")
    assert "slow violates the guardrail on latency p50: +" in text
    assert verdict_of(violated).reasons[0] in written.html.read_text()


def test_names_of_strangers_are_shown_and_not_obeyed(analysis, tmp_path):
    hostile = "<img src=x onerror=alert(1)>|`$a_{b}$"
    changed = replace(
        analysis,
        settings=replace(analysis.settings, experiment=hostile),
        segments=tuple(replace(row, label=hostile) for row in analysis.segments),
    )
    written = write_report(changed, tmp_path)
    assert "<img src=x" not in written.html.read_text()
    assert "\\<img src=x onerror=alert(1)>\\|\\`" in written.markdown.read_text()


def test_an_experiment_without_a_tap_has_a_report(tmp_path):
    nobody = Population(ctr=1e-9)
    write_event_log(tmp_path / "events", SimulatedExperiment(population=nobody, units_per_arm=30, days=2, pre_days=0))
    found = analyse(str(tmp_path / "events"), SETTINGS)
    written = write_report(found, tmp_path / "report")
    assert "no events" in written.markdown.read_text()
    assert json.loads(written.results.read_text())["variants"][0]["metrics"]["ctr"]["low"] is None


def test_the_same_analysis_gives_the_same_bytes(analysis, written, tmp_path):
    assert write_report(analysis, tmp_path).html.read_bytes() == written.html.read_bytes()
