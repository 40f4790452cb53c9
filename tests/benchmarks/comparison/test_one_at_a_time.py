"""Two comparisons of one catalogue do not meet in its folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ruiji_server.generations.leases import only_one

from benchmarks.comparison.sources import synthetic

ROOT = Path(__file__).parents[3]


def test_a_second_one_is_told_of_the_first_and_touches_nothing(tmp_path):
    folder = tmp_path / synthetic(50, 0).folder
    folder.mkdir()
    with only_one(folder / "comparison.lock", "comparing"):
        ended = subprocess.run(
            [sys.executable, "-m", "benchmarks.comparison", "--items", "50", "--work", tmp_path, "--prepare-only"],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
    assert ended.returncode == 1
    assert "is comparing in" in ended.stderr
    assert "wait for it, or end it" in ended.stderr
    assert [path.name for path in folder.iterdir()] == ["comparison.lock"]
