"""Server processes on a core of their own: started, measured, stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

_STOP_S = 15.0
_LOOK_S = 0.5
_WEIGH_EVERY = 4
"""Looks; weighing reads the page tables of all that was started."""
_TAIL_BYTES = 4_096
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
ROOT = Path(__file__).parents[2]


class ContestantError(Exception):
    """A system could not be built, started or asked; the message says why and goes into its row."""


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def environment() -> dict[str, str]:
    """Return this process's environment, in which both environments find `benchmarks`, and the others the stubs."""
    paths = (str(ROOT), str(ROOT / "client" / "src"))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONWARNINGS": "ignore"}


def run_to_end(command: Sequence[str], log: Path, limit_s: float, tell: Callable[[str], None]) -> int:
    """Run a command that builds something, with everything it writes appended to a log.

    Args:
        command: to run.
        log: where it writes.
        limit_s: after which it is ended.
        tell: given the last line that it wrote, twice a second.

    Returns:
        The most memory that it and all it started had, in bytes (PSS), as seen every two seconds.

    Raises:
        ContestantError: it failed, or took longer than the limit.
    """
    ends_s = time.monotonic() + limit_s
    looks = peak_bytes = 0
    with log.open("ab") as file:
        written_before = file.tell()
        process = subprocess.Popen(
            # A build must not outlive a harness that was killed.
            ["setpriv", "--pdeathsig", "TERM", *command],
            cwd=ROOT, env=environment(), stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip
        try:
            while (status := process.poll()) is None:
                if time.monotonic() > ends_s:
                    raise ContestantError(f"not done within {limit_s:.0f} s; see --build-limit")
                if looks % _WEIGH_EVERY == 0:
                    peak_bytes = max(peak_bytes, _pss_bytes(_tree(process.pid)))
                looks += 1
                time.sleep(_LOOK_S)
                tell(_last_line(log, written_before))
        finally:
            # Also when this is interrupted; a build must not go on alone.
            _end_group(process)
    if status < 0:
        raise ContestantError(f"ended by {signal.Signals(-status).name}; was there enough memory?")
    if status:
        raise ContestantError(f"failed: {_last_line(log, written_before)}")
    return peak_bytes


class ServerProcess:
    """A server pinned to one core, with everything it starts."""

    def __init__(self, command: Sequence[str], core: int, log: Path, extra: Mapping[str, str] | None = None) -> None:
        """Start it.

        Args:
            command: to run.
            core: that it and its children may use.
            log: where it writes.
            extra: environment variables beside the common ones.
        """
        self._log = log
        self.started_s = time.perf_counter()
        with log.open("ab") as file:
            self._written_before = file.tell()
            self._process = subprocess.Popen(
                # A server must not outlive a harness that was killed.
                ["setpriv", "--pdeathsig", "TERM", "taskset", "--cpu-list", str(core), *command],
                cwd=ROOT, env={**environment(), **_ONE_THREAD, **(extra or {})}, stdout=file, stderr=file,
                start_new_session=True,
            )  # fmt: skip
        self._seen_cpu_s: dict[int, float] = {}

    def require_running(self) -> None:
        """Raise `ContestantError` if it ended."""
        if self._process.poll() is not None:
            raise ContestantError(f"ended by itself: {_last_line(self._log, self._written_before)}")

    def cpu_s(self) -> float:
        """Return CPU time of the process and all it started, from /proc; what ended keeps what was last seen of it."""
        for process in self._tree():
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            self._seen_cpu_s[process.pid] = times.user + times.system
        return sum(self._seen_cpu_s.values())

    def pss_bytes(self) -> int:
        """Return memory of the process and all it started, shared pages divided among those who share them."""
        return _pss_bytes(self._tree())

    def stop(self) -> None:
        """End it and everything it started."""
        self._process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_S)
        _end_group(self._process)

    def _tree(self) -> list[psutil.Process]:
        if tree := _tree(self._process.pid):
            return tree
        raise ContestantError(f"ended by itself: {_last_line(self._log, self._written_before)}")


def _tree(pid: int) -> list[psutil.Process]:
    """Return a process and all it started, nothing if it is not there any more."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _pss_bytes(processes: Sequence[psutil.Process]) -> int:
    total_kb = 0
    for process in processes:
        try:
            rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total_kb += next((int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")), 0)
    return 1024 * total_kb


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads a group, and whatever it left behind there."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_line(log: Path, start: int) -> str:
    """Return the last line that was written after the first `start` bytes."""
    with log.open("rb") as file:
        file.seek(max(start, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
    return next((line[:200] for line in reversed(lines) if line), "it wrote nothing")
