"""Server processes on a core of their own: started, measured, stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

_STOP_S = 15.0
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


def run_to_end(command: Sequence[str], log: Path, limit_s: float) -> None:
    """Run a command that builds something.

    Raises:
        ContestantError: it failed, or took longer than the limit.
    """
    with log.open("ab") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(), stdout=file, stderr=file, start_new_session=True
        )
        try:
            status = process.wait(limit_s)
        except subprocess.TimeoutExpired as error:
            _stop_group(process)
            raise ContestantError(f"not done within {limit_s:.0f} s") from error
    if status:
        raise ContestantError(f"failed: {_last_line(log)}")


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
            raise ContestantError(f"ended by itself: {_last_line(self._log)}")

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
        total = 0
        for process in self._tree():
            try:
                rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        return 1024 * total

    def stop(self) -> None:
        """End it and everything it started."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            _stop_group(self._process)

    def _tree(self) -> list[psutil.Process]:
        try:
            process = psutil.Process(self._process.pid)
            return [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess as error:
            raise ContestantError(f"ended by itself: {_last_line(self._log)}") from error


def _stop_group(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else "it wrote nothing"
