"""A whole A/B test in one command: real encoders, real server, real events, a report, and the truth beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ruiji_server.store.engine import open_database
from ruiji_server.store.experiment_reports import list_reports

pytestmark = pytest.mark.triton


def test_the_experiment_ends_with_a_report_and_the_truth(triton_installed, tmp_path: Path):
    sizes = ["--items", "300", "--shoppers", "150", "--seed", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "ruiji_cli", "experiment", "demo", "--output", tmp_path, *sizes],
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "true lift of the click-through rate" in done.stdout
    [report] = tmp_path.glob("demo-*-report")
    assert (report / "report.html").exists()
    results = json.loads((report / "results.json").read_text(encoding="utf-8"))
    assert results["assignment"]["units"].keys() == {"control", "treatment"}
    assert sum(results["assignment"]["units"].values()) == 150
    assert set(results["left_out"].values()) == {0}
    database = open_database(str(tmp_path / "data" / "store.sqlite"))
    [published] = list_reports(database, 10)
    database.close()
    assert f"published: report {published.number} of {published.experiment}" in done.stdout
    content = json.loads(published.content)
    assert {one["variant"]: int(one["units"]) for one in content["variants"]} == results["assignment"]["units"]
