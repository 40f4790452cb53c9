"""Killing the builder before each of its steps on the disk: every file made, every sync, every rename.

strace stops the process at the wanted system call and the kernel kills it there, so that no step is left to chance.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_CALLS = ("mkdir", "openat", "ftruncate", "fsync", "rename")
_LINE = re.compile(r"^\d+ +(?P<call>\w+)\((?P<arguments>.*)$")


@dataclass(frozen=True)
class Step:
    """One system call of a build."""

    call: str
    ordinal: int
    """Which of the calls of this name it is, from 1, over the whole life of the process."""
    what: str
    """Its arguments, for people."""


def find_strace() -> str | None:
    """Return the strace command, or None where there is none that may trace."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    tried = subprocess.run([strace, "-o", "/dev/null", "true"], capture_output=True, check=False)
    return strace if tried.returncode == 0 else None


def steps_of(strace: str, command: Sequence[str], folder: Path, trace: Path) -> list[Step]:
    """Run a command to its end and return its steps, from the first that touches a folder."""
    calls = ",".join(_CALLS)
    traced = [strace, "-f", "-o", trace, "-e", f"trace={calls}", *command]
    subprocess.run(traced, check=True, capture_output=True, env=_environment())
    seen: Counter[str] = Counter()
    steps: list[Step] = []
    for line in trace.read_text(errors="replace").splitlines():
        found = _LINE.match(line)
        if found is None:
            continue
        call, arguments = found["call"], found["arguments"]
        seen[call] += 1
        touches = str(folder) in arguments and (call != "openat" or "O_CREAT" in arguments)
        if touches or (steps and call in {"fsync", "ftruncate"}):
            steps.append(Step(call, seen[call], arguments.replace(str(folder), "")))
    return steps


def kill_before(strace: str, command: Sequence[str], step: Step) -> bool:
    """Run a command and kill it before a step; return whether it came that far."""
    injection = f"inject={step.call}:signal=KILL:when={step.ordinal}"
    done = subprocess.run(
        [strace, "-f", "-o", "/dev/null", "-e", f"trace={step.call}", "-e", injection, *command],
        capture_output=True, check=False, env=_environment(),
    )  # fmt: skip
    return done.returncode in {-signal.SIGKILL, 128 + signal.SIGKILL}


def _environment() -> dict[str, str]:
    # Or Python's own files would be among the steps, in the first run only.
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
