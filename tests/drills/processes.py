"""One process of an installation: started, killed without warning, started again, its output kept."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import psutil

_STOP_S = 20.0
_POLL_S = 0.02

Found = TypeVar("Found")


class Process:
    """A command that is to run as long as the installation does.

    Attributes:
        name: what it is, for logs and reports.
        deaths: how often it ended without having been killed here.
    """

    def __init__(
        self, name: str, command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.deaths = 0
        self._command = [str(part) for part in command]
        self._log = log
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1", **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; what runs already is left alone."""
        if self._process is not None and self._process.poll() is None:
            return
        with self._log.open("ab") as log:
            # A session of its own, so that nothing outlives the drill.
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=self._environment, start_new_session=True
            )

    @property
    def pid(self) -> int:
        """Its process id; 0 while there is none."""
        return 0 if self._process is None or self._process.poll() is not None else self._process.pid

    def ended(self) -> int | None:
        """Return its exit status if it ran and ended, negative for a signal; None otherwise."""
        return None if self._process is None else self._process.poll()

    def kill(self) -> None:
        """End it as the kernel does when memory is short; its children are left to notice."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def tend(self) -> None:
        """Start it again if it ended by itself, as whatever keeps services running does."""
        if self._process is not None and self._process.poll() is not None:
            self.deaths += 1
            self.start()

    def stop(self) -> None:
        """End it in an orderly way, and whatever is left of its session by force."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process = None

    def output(self, last: int = 4_000) -> str:
        """Return the end of what it wrote."""
        return self._log.read_text(errors="replace")[-last:] if self._log.exists() else ""


def ruiji(*arguments: str | Path) -> list[str]:
    """Return the command line of `ruiji ARGUMENTS`."""
    return [sys.executable, "-m", "ruiji_cli", *(str(argument) for argument in arguments)]


def descendants(pid: int) -> dict[int, str]:
    """Return the processes below one, with their command lines, nearest first."""
    found: dict[int, str] = {}
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                found[child.pid] = " ".join(child.cmdline())
    return found


def wait_for(
    condition: Callable[[], Found], what: str, *, timeout_s: float = 90.0, tend: Callable[[], None] = lambda: None
) -> Found:
    """Return what a condition returns once that is true.

    Args:
        condition: asked again and again.
        what: is waited for, for the failure's message.
        timeout_s: longest wait.
        tend: called between two questions.

    Raises:
        TimeoutError: it did not become true.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        if found := condition():
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s:.0f} s in vain for {what}")
        tend()
        time.sleep(_POLL_S)
