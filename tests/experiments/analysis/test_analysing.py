"""A whole analysis of a simulated log in which the truth was planted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from ruiji_events.errors import PartitionDamaged
from ruiji_experiments.analysis.analysing import analyse
from ruiji_experiments.analysis.segments import Segmentation
from ruiji_experiments.analysis.settings import AnalysisSettings, Margins
from ruiji_experiments.errors import LogError, SettingsError
from ruiji_experiments.simulation.event_log import SimulatedArm, SimulatedExperiment, write_event_log

SETTINGS = AnalysisSettings("simulated", "control", resamples=300)


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    folder = tmp_path_factory.mktemp("events")
    write_event_log(folder, SimulatedExperiment(units_per_arm=700, days=7, pre_days=7, seed=3))
    return str(folder)


@pytest.fixture(scope="module")
def analysis(events):
    return analyse(events, SETTINGS)


def of(analysis, metric, variant="treatment"):
    [found] = [row for row in analysis.lifts if (row.variant, row.metric) == (variant, metric)]
    return found


def test_the_planted_lift_is_found(analysis):
    ctr = of(analysis, "ctr")
    assert ctr.plain.lift.low < 0.5 < ctr.plain.lift.high
    assert ctr.plain.p_value < 0.001
    assert ctr.always_valid.p_value < 0.05
    assert ctr.adjusted.lift.low < 0.5 < ctr.adjusted.lift.high
    assert ctr.variance_kept < 0.9
    assert ctr.bootstrap.low == pytest.approx(ctr.plain.lift.low, abs=0.06)


def test_an_always_valid_interval_costs_width(analysis):
    for row in analysis.lifts:
        assert row.always_valid.lift.low < row.plain.lift.low
        assert row.always_valid.lift.high > row.plain.lift.high


def test_the_assignment_and_the_guardrails_are_in_order(analysis):
    assert not analysis.assignment.mismatch
    assert not analysis.shares_were_given
    assert {row.name: row.state for row in analysis.guardrails} == {
        "latency p50": "passed",
        "latency p95": "passed",
        "short pages": "undecided",
        "errors": "undecided",
    }
    assert analysis.violated == ()


def test_the_last_day_of_the_timeline_is_the_report(analysis):
    [last] = [point for point in analysis.timeline if point.metric == "ctr" and point.day.isoformat() == "2026-05-10"]
    assert last.plain.low == pytest.approx(of(analysis, "ctr").plain.lift.low)
    assert last.always_valid.high == pytest.approx(of(analysis, "ctr").always_valid.lift.high)


def test_a_shorter_time_has_wider_intervals(events, analysis):
    half = analyse(events, AnalysisSettings("simulated", "control", end=datetime(2026, 5, 7, tzinfo=UTC), resamples=0))
    ctr = of(half, "ctr")
    whole = of(analysis, "ctr")
    assert ctr.plain.lift.high - ctr.plain.lift.low > whole.plain.lift.high - whole.plain.lift.low
    assert ctr.bootstrap is None


def test_a_slow_and_failing_variant_violates_its_guardrails(tmp_path):
    arms = {"control": SimulatedArm(), "slow": SimulatedArm(latency_factor=1.5, error_share=0.1, short_share=0.1)}
    write_event_log(tmp_path, SimulatedExperiment(arms=arms, units_per_arm=500, days=5, pre_days=0))
    found = analyse(str(tmp_path), SETTINGS)
    assert {row.name for row in found.violated} == {"latency p50", "latency p95", "short pages", "errors"}
    allowed = Margins(latency_p50=1.0, latency_p95=1.0, short_pages=0.5, errors=0.5)
    assert analyse(str(tmp_path), AnalysisSettings("simulated", "control", margins=allowed)).violated == ()


def test_several_variants_are_corrected_for_their_number(tmp_path):
    arms = {"control": SimulatedArm(), "a": SimulatedArm(), "b": SimulatedArm(ctr_lift=0.5)}
    write_event_log(tmp_path, SimulatedExperiment(arms=arms, units_per_arm=400, days=5, pre_days=0))
    found = analyse(str(tmp_path), SETTINGS)
    assert [row.variant for row in found.variants] == ["control", "a", "b"]
    assert of(found, "ctr", "b").p_corrected == pytest.approx(2 * of(found, "ctr", "b").plain.p_value)


def test_segments_divide_by_the_item_that_was_looked_at(events, tmp_path):
    table = tmp_path / "items.tsv"
    kinds = ("Shoes > Boots", "Shoes > Sandals", "Bags")
    rows = [f"i-{item:04d}\t{kinds[item % 3]}\t{item}" for item in range(400)]
    table.write_text("item_id\tcategory_path\tprice\n" + "\n".join(rows) + "\n")
    found = analyse(
        events,
        SETTINGS,
        segmentations=[
            Segmentation("category", table, "category_path"),
            Segmentation("price band", table, "price", bands=2),
        ],
    )
    ctr = [row for row in found.segments if row.metric == "ctr"]
    assert [(row.dimension, row.label) for row in ctr] == [
        ("category", "Bags"),
        ("category", "Shoes"),
        ("category", "unknown"),
        ("price band", "1: 0 to 199"),
        ("price band", "2: 200 to 399"),
        ("price band", "unknown"),
    ]
    assert all(row.p_corrected >= row.plain.p_value for row in ctr)


def test_segments_divide_by_beginnings_of_categories_and_the_first_that_fits_counts(events, tmp_path):
    table = tmp_path / "items.tsv"
    kinds = ("Shoes > Men's > Boots", "Shoes >Sandals", "Bags", "Shoestrings")
    rows = [f"i-{item:04d}\t{kinds[item % 4]}" for item in range(400)]
    table.write_text("item_id\tcategory_path\n" + "\n".join(rows) + "\n")
    prefixes = (("Shoes", "Men's"), ("Shoes",), ("Nothing",))
    found = analyse(events, SETTINGS, segmentations=[Segmentation("target", table, "category_path", prefixes=prefixes)])
    by_leaf = analyse(events, SETTINGS, segmentations=[Segmentation("leaf", _leaves(table), "category_path")])
    units = {row.label: row.units for row in found.segments if row.metric == "ctr"}
    of_leaf = {row.label: row.units for row in by_leaf.segments if row.metric == "ctr"}
    assert list(units) == ["Shoes", "Shoes > Men's", "other categories", "unknown"]
    assert units["Shoes > Men's"] == of_leaf["0"]
    assert units["Shoes"] == of_leaf["1"]
    assert max(of_leaf["2"], of_leaf["3"]) < units["other categories"] <= of_leaf["2"] + of_leaf["3"]
    assert units["unknown"] == of_leaf["unknown"]


def _leaves(table: Path) -> Path:
    """Return a table in which each of the four kinds of items is a root."""
    leaves = table.with_name("leaves.tsv")
    rows = [f"i-{item:04d}\t{item % 4}" for item in range(400)]
    leaves.write_text("id\tcategory_path\n" + "\n".join(rows) + "\n")
    return leaves


def test_an_item_table_without_the_column_is_explained(events, tmp_path):
    table = tmp_path / "items.csv"
    table.write_text("item_id,price\ni-0001,3\n")
    with pytest.raises(SettingsError, match=r"needs the columns item_id \(or id\) and colour"):
        analyse(events, SETTINGS, segmentations=[Segmentation("colour", table, "colour")])
    with pytest.raises(SettingsError, match="must end in one of"):
        analyse(events, SETTINGS, segmentations=[Segmentation("colour", tmp_path / "items.xls", "colour")])


def test_winsorising_caps_and_counts(events, analysis):
    found = analyse(events, AnalysisSettings("simulated", "control", winsorise_at=0.99, resamples=0))
    assert 0 < found.left_out["units whose sums were capped at the 0.99 quantile"] < 1400 * 0.04
    before, after = (one.variants[0].sums["impressions"] for one in (analysis, found))
    assert after < before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (AnalysisSettings("simulated", "old"), "no unit was given the control 'old'; the log has control, treatment"),
        (AnalysisSettings("simulated", "control", shares={"control": 1.0}), "without a planned share: treatment"),
    ],
    ids=["unknown control", "unplanned variant"],
)
def test_settings_that_do_not_fit_the_log_are_explained(events, settings, message):
    with pytest.raises(SettingsError, match=message):
        analyse(events, settings)


def test_a_planned_variant_that_nobody_saw_is_a_mismatch(events):
    shares = {"control": 0.4, "treatment": 0.4, "missing": 0.2}
    assert analyse(events, AnalysisSettings("simulated", "control", shares=shares, resamples=0)).assignment.mismatch


@pytest.mark.parametrize(
    "wrong",
    [
        {"shares": {"a": 1.0}},
        {"shares": {"control": 0.0}},
        {"confidence": 1.0},
        {"winsorise_at": 0.1},
        {"expected_lift": 0.0},
        {"purchase_window_days": 0},
        {"start": datetime(2026, 5, 1)},
    ],
)
def test_settings_that_contradict_themselves_are_refused(wrong):
    with pytest.raises(SettingsError):
        AnalysisSettings("simulated", "control", **wrong)


def test_an_empty_folder_is_explained(tmp_path):
    with pytest.raises(LogError, match="it has these experiments: none"):
        analyse(str(tmp_path), SETTINGS)


def test_a_half_written_partition_is_named(tmp_path):
    write_event_log(tmp_path, SimulatedExperiment(units_per_arm=20, days=2, pre_days=0))
    file = tmp_path / "taps" / "date=2026-05-04" / "simulated.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(PartitionDamaged, match="date=2026-05-04"):
        analyse(str(tmp_path), SETTINGS)
