"""Builds and servers are bounded, say why they failed, and leave nothing behind."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from benchmarks.comparison.processes import ROOT, ContestantError, ServerProcess, run_to_end

BUILDS = """
import sys
from pathlib import Path
from benchmarks.comparison.processes import run_to_end
code = "import os, time; print(os.getpid(), flush=True); time.sleep(300)"
run_to_end([sys.executable, "-c", code], Path(sys.argv[1]), 300.0, lambda _: None)
"""
LEAVES_A_CHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
print(child.pid, flush=True)
time.sleep(float(sys.argv[1]))
"""


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def soon(holds: Callable[[], bool]) -> bool:
    """Wait until something holds; killed processes take a moment to go."""
    deadline_s = time.monotonic() + 30
    while not holds() and time.monotonic() < deadline_s:
        time.sleep(0.02)
    return holds()


def child_of(log: Path) -> psutil.Process | None:
    """Return the process whose id a log names, None once it ended."""
    try:
        child = psutil.Process(int(log.read_text().split()[0]))
        return None if child.status() == psutil.STATUS_ZOMBIE else child
    except psutil.NoSuchProcess:
        return None


def test_a_build_tells_its_last_line_and_how_much_memory_it_took(tmp_path: Path) -> None:
    told: list[str] = []
    code = "import time; kept = bytearray(b'x' * 50_000_000); print('half done', flush=True); time.sleep(3)"
    peak_bytes = run_to_end(python(code), tmp_path / "log", 60.0, told.append)
    assert "half done" in told
    assert peak_bytes > 50_000_000


def test_a_failed_build_gives_its_own_last_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("what an earlier one wrote\n")
    with pytest.raises(ContestantError, match="failed: out of paper"):
        run_to_end(python("import sys; sys.exit('out of paper')"), log, 60.0, lambda _: None)
    with pytest.raises(ContestantError, match="failed: it wrote nothing"):
        run_to_end(python("import sys; sys.exit(3)"), log, 60.0, lambda _: None)


def test_a_killed_build_names_the_signal(tmp_path: Path) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with pytest.raises(ContestantError, match="SIGKILL; was there enough memory"):
        run_to_end(python(code), tmp_path / "log", 60.0, lambda _: None)


def test_a_build_that_takes_too_long_is_ended_with_all_it_started(tmp_path: Path) -> None:
    with pytest.raises(ContestantError, match="not done within 2 s"):
        run_to_end(python(LEAVES_A_CHILD, "300"), tmp_path / "log", 2.0, lambda _: None)
    assert soon(lambda: child_of(tmp_path / "log") is None)


def test_a_build_does_not_outlive_a_harness_that_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    harness = subprocess.Popen(python(BUILDS, str(log)), cwd=ROOT)
    assert soon(lambda: log.exists() and log.read_text().endswith("\n"))
    assert child_of(log) is not None
    harness.kill()
    harness.wait()
    assert soon(lambda: child_of(log) is None)


def test_stopping_a_server_ends_what_it_left_behind(tmp_path: Path) -> None:
    log = tmp_path / "log"
    server = ServerProcess(python(LEAVES_A_CHILD, "300"), 0, log)
    assert soon(lambda: log.read_text().endswith("\n"))
    assert child_of(log) is not None
    server.stop()
    assert soon(lambda: child_of(log) is None)


def test_a_server_that_ended_says_why(tmp_path: Path) -> None:
    server = ServerProcess(python("import sys; sys.exit('no such folder')"), 0, tmp_path / "log")

    def ended() -> bool:
        try:
            server.require_running()
        except ContestantError as error:
            return "ended by itself: no such folder" in str(error)
        return False

    assert soon(ended)
    server.stop()
