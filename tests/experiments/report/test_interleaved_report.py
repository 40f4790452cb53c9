"""Reports of interleaved experiments: which variant was preferred, how sure that is, and whether to believe it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from ruiji_cli.failures import explained_failures
from ruiji_cli.main import app
from ruiji_experiments.analysis.settings import AnalysisSettings
from ruiji_experiments.interleaving.analysing import analyse_interleaved
from ruiji_experiments.report import write_interleaved_report
from ruiji_experiments.report.interleaved import interleaved_tables, result_text
from ruiji_experiments.simulation.contests import ClickWorld
from scipy import stats
from typer.testing import CliRunner

from tests.support.interleaved_log import write_interleaved_log

SETTINGS = AnalysisSettings("x", "control", resamples=4_000)


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    folder = tmp_path_factory.mktemp("events")
    write_interleaved_log(folder, ClickWorld(), units=250)
    return str(folder)


@pytest.fixture(scope="module")
def analysis(events):
    return analyse_interleaved(events, SETTINGS)


@pytest.fixture(scope="module")
def written(analysis, tmp_path_factory):
    return write_interleaved_report(analysis, tmp_path_factory.mktemp("report"))


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["experiment", *(str(argument) for argument in arguments)])
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_the_better_variant_is_found_and_everybody_is_counted(analysis):
    taps, purchases = analysis.judgements
    votes = taps.preference.votes
    assert (analysis.units, votes.units, analysis.pages, analysis.impressions) == (250, 250, 500, 5_000)
    assert analysis.preferred == "kinds"
    assert taps.preference.low > 0
    assert purchases.preference.votes.decided < votes.decided
    assert [team.variant for team in analysis.teams] == ["control", "kinds"]
    assert sum(team.items for team in analysis.teams) == 5_000


def test_the_sign_test_is_scipys_and_the_bootstrap_agrees_with_it(analysis):
    for one in analysis.judgements:
        found = one.preference
        direct = stats.binomtest(found.votes.wins, found.votes.decided)
        assert found.p_value == pytest.approx(direct.pvalue)
        width = found.high - found.low
        assert one.bootstrap.low == pytest.approx(found.low, abs=width / 8)
        assert one.bootstrap.high == pytest.approx(found.high, abs=width / 8)


def test_exchanging_control_and_treatment_turns_the_report_round(events, analysis):
    other = analyse_interleaved(events, replace(SETTINGS, control="kinds"))
    here, there = analysis.judgements[0].preference, other.judgements[0].preference
    assert (here.preference, here.p_value) == (pytest.approx(-there.preference), pytest.approx(there.p_value))
    assert other.preferred == "kinds"


def test_the_last_day_of_the_timeline_is_the_report(analysis):
    last, taps = analysis.timeline[-1], analysis.judgements[0].preference
    assert len(analysis.timeline) == 4
    assert (last.preference.value, last.preference.low, last.preference.high) == (taps.preference, taps.low, taps.high)


def test_a_shorter_time_is_less_sure(events, analysis):
    half = analyse_interleaved(events, replace(SETTINGS, end=datetime(2026, 5, 5, tzinfo=UTC)))
    short, whole = half.judgements[0].preference, analysis.judgements[0].preference
    assert short.high - short.low > whole.high - whole.low


def test_a_variant_against_itself_is_not_preferred(tmp_path):
    write_interleaved_log(tmp_path, ClickWorld(category_weight=0.0), units=250, seed=5)
    found = analyse_interleaved(str(tmp_path), SETTINGS)
    assert found.preferred is None
    assert "neither variant is surely preferred (p = " in result_text(found)
    assert not found.coins.mismatch


def test_markdown_and_html_tell_the_same_and_ask_nobody(analysis, written):
    markdown, html = written.markdown.read_text(), written.html.read_text()
    for table in interleaved_tables(analysis):
        assert f"## {table.title}" in markdown
        assert f"<h2>{table.title}</h2>" in html
    assert result_text(analysis) in html
    assert "kinds is preferred (p " in markdown
    assert not re.findall(r'(?:src|href)="(?!data:)', html)
    names = re.findall(r"\]\((plot-[^)]+)\)", markdown)
    assert names == ["plot-preferences-with-their-intervals.png", "plot-preference-by-day.png"]
    for name in names:
        assert (written.markdown.parent / name).read_bytes().startswith(b"\x89PNG")


def test_machines_read_the_same(analysis, written):
    verdict, results = (json.loads(path.read_text()) for path in (written.verdict, written.results))
    found = analysis.judgements[0].preference
    assert verdict == {
        "experiment": "x", "interleaved": True, "control": "control", "treatment": "kinds", "trustworthy": True,
        "rollback": False, "reasons": [], "preferred": "kinds", "preference": found.preference,
        "p_value": found.p_value,
    }  # fmt: skip
    assert results["judgements"][0]["preference"]["votes"]["wins"] == found.votes.wins
    assert results["coins"]["p_value"] == analysis.coins.p_value


def test_coins_that_are_not_fair_are_said_first_and_nothing_is_preferred(analysis, tmp_path):
    control, treatment = analysis.teams
    unfair = replace(analysis, teams=(replace(control, begins=400), replace(treatment, begins=100)))
    assert unfair.preferred is None
    written = write_interleaved_report(unfair, tmp_path)
    text = written.markdown.read_text()
    assert text.index("believe no preference of this report") < text.index("## Preference")
    assert json.loads(written.verdict.read_text())["trustworthy"] is False


def test_an_experiment_without_a_tap_has_a_report(tmp_path):
    model = replace(ClickWorld().model, constant=-60.0)
    write_interleaved_log(tmp_path / "events", ClickWorld(model=model), units=10, days=2)
    found = analyse_interleaved(str(tmp_path / "events"), SETTINGS)
    written = write_interleaved_report(found, tmp_path / "report")
    assert "nobody decided" in written.markdown.read_text()
    assert json.loads(written.verdict.read_text())["preferred"] is None


def test_the_command_notices_by_itself_and_ends_in_files(events, tmp_path):
    shown = run("report", "x", "--events", events, "--out", tmp_path)
    assert "kinds is preferred" in shown
    assert "250 units, 500 pages" in shown
    assert {file.name for file in tmp_path.iterdir()} >= {"report.md", "report.html", "results.json", "verdict.json"}


@pytest.mark.parametrize(
    "options", [["--fail-on-guardrail"], ["--share", "control=0.5"], ["--publish", "--author", "ada"]]
)
def test_options_that_mean_nothing_here_are_refused(events, tmp_path, capsys, options):
    arguments = ["experiment", "report", "x", "--events", events, "--out", str(tmp_path / "out"), *options]
    with pytest.raises(SystemExit), explained_failures():
        app(arguments, standalone_mode=False)
    said = " ".join(capsys.readouterr().err.split())
    assert "both variants have a part in every page" in said
    assert f"Leave out {options[0]}" in said
    assert not (tmp_path / "out").exists()
