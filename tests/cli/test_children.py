"""Children of the command end with it, whatever ends it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

CHILD = "import time; print('ready', flush=True); time.sleep(300)"
ONCE = f"""
import subprocess, sys
from ruiji_cli.children import ending_with_this
subprocess.run(ending_with_this([sys.executable, "-c", {CHILD!r}]))
"""
KEPT_RUNNING = """
import sys, time
from ruiji_cli import background
with background.kept_running(["triton", "--port", "0", "--data", sys.argv[1]]):
    print("ready", flush=True)
    time.sleep(300)
"""


@pytest.fixture
def parent(request: pytest.FixtureRequest, tmp_path) -> Iterator[subprocess.Popen[str]]:
    """A process that has started its child."""
    command = [sys.executable, "-c", request.param, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def wait_for(condition) -> None:
    deadline = time.monotonic() + 30.0
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("parent", [ONCE, KEPT_RUNNING], indirect=True, ids=["once", "kept running"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_ends_with_its_parent(parent: subprocess.Popen[str], number: signal.Signals) -> None:
    wait_for(lambda: psutil.Process(parent.pid).children())
    children = psutil.Process(parent.pid).children(recursive=True)
    parent.send_signal(number)
    parent.wait()
    gone, alive = psutil.wait_procs(children, timeout=30.0)
    assert (len(gone), alive) == (len(children), [])


def test_a_command_keeps_its_arguments_and_its_exit_status() -> None:
    code = "import sys; print(sys.argv[1:]); sys.exit(7)"
    script = (
        "import subprocess, sys; from ruiji_cli.children import ending_with_this;"
        f"sys.exit(subprocess.run(ending_with_this([sys.executable, '-c', {code!r}, 'a b', ''])).returncode)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (7, "['a b', '']\n")
