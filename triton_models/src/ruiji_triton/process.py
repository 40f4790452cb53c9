"""One run of tritonserver: its command line, environment, output and end."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ruiji_triton import exec_with_parent

if TYPE_CHECKING:
    from ruiji_triton.installation import TritonInstallation
    from ruiji_triton.runtime import RuntimeFolder

logger = logging.getLogger(__name__)
server_logger = logging.getLogger("ruiji_triton.tritonserver")
"""Carries tritonserver's own lines."""

UNLOAD_GRACE_S = 3.0
"""How long tritonserver may take to unload its models after the last request is answered; 2 s is usual. A model whose
process was killed and replaced never unloads, and tritonserver would wait for it until its exit timeout."""

ADMIN_HEADER = "ruiji-admin"
"""Header that tritonserver demands of whoever loads models, changes logging or maps shared memory."""

_LINE = re.compile(r"^(?P<level>[IWEF])\d{4} [\d:.]+ +\d+ (?P<text>.*)$")
_LEVELS = {"I": logging.INFO, "W": logging.WARNING, "E": logging.ERROR, "F": logging.CRITICAL}
_TAIL_LINES = 30
_DRAINED = "All models are stopped, unloading models"
"""What tritonserver says after SIGTERM, when no request is queued or running any more."""

_WITHOUT_GPU = ("CudaDriverHelper has not been initialized", "failed to allocate pinned system memory")
"""What tritonserver calls errors and warnings on every machine that serves from its CPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where tritonserver listens."""

    address: str
    grpc_port: int
    metrics_port: int | None
    """None serves no metrics."""
    admin_token: str
    """Value of `ADMIN_HEADER`."""

    @property
    def url(self) -> str:
        """`host:port` of the gRPC service."""
        return f"{self.address}:{self.grpc_port}"


class TritonProcess:
    """A running tritonserver; it ends with the thread that started it, at the latest."""

    def __init__(
        self,
        installation: TritonInstallation,
        runtime: RuntimeFolder,
        repository: Path,
        endpoint: Endpoint,
        *,
        stop_timeout_s: float,
    ) -> None:
        self._stop_timeout_s = stop_timeout_s
        _link_files(installation, runtime.path)
        server = server_command(installation, runtime, repository, endpoint, stop_timeout_s=stop_timeout_s)
        launcher = [sys.executable, "-I", "-S", str(Path(exec_with_parent.__file__)), str(os.getpid())]
        self._process = subprocess.Popen(
            [*launcher, *server],
            env=_environment(installation, runtime.path),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(runtime.lock_fd,),
            # Ctrl-C in a terminal is for the supervisor, which then ends tritonserver in order.
            start_new_session=True,
        )
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        assert self._process.stdout is not None  # noqa: S101  (for mypy: PIPE was asked for)
        # Set when no request is left to answer: tritonserver said so, or ended.
        self._drained = threading.Event()
        self._pump = threading.Thread(
            target=self._forward, args=(self._process.stdout,), name="tritonserver-log", daemon=True
        )
        self._pump.start()
        logger.info("started tritonserver, pid %d, gRPC on %s", self._process.pid, endpoint.url)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative for the signal that ended it."""
        return self._process.poll()

    @property
    def last_lines(self) -> str:
        """The end of its output."""
        if self.exit_code is not None:
            # What it said last may still be on its way; a stub could hold the pipe open for longer.
            self._pump.join(timeout=1.0)
        return "\n".join(self._tail)

    def terminate(self) -> None:
        """Ask it to refuse new requests, finish queued ones and exit; returns at once."""
        self._process.terminate()

    def end(self, *, gracefully: bool) -> None:
        """End it and its stubs; gracefully means that queued requests are answered, up to the stop timeout."""
        if gracefully:
            self._process.terminate()
            if not self._drained.wait(self._stop_timeout_s):
                logger.warning("tritonserver still has requests after %g s and is killed", self._stop_timeout_s)
            else:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(UNLOAD_GRACE_S)
        # The stubs are in its session: they would notice, but later.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._pump.join()
        logger.info("tritonserver ended with exit code %d", self._process.returncode)

    def _forward(self, output: IO[bytes]) -> None:
        with output:
            for raw in output:
                line = raw.decode("utf-8", errors="replace").rstrip()
                if line:
                    self._log(line)
        self._drained.set()

    def _log(self, line: str) -> None:
        match = _LINE.match(line)
        level, text = (_LEVELS[match["level"]], match["text"]) if match else (logging.INFO, line)
        if line.startswith(("+--", "| ")) or any(known in line for known in _WITHOUT_GPU):
            # Tables of its options, and known noise.
            level = logging.DEBUG
        else:
            self._tail.append(line)
        server_logger.log(level, "%s", text)
        if _DRAINED in line:
            self._drained.set()


def server_command(
    installation: TritonInstallation,
    runtime: RuntimeFolder,
    repository: Path,
    endpoint: Endpoint,
    *,
    stop_timeout_s: float,
) -> list[str]:
    """Return tritonserver's command line.

    Models are loaded by request only ("explicit"): unloading and loading again is what repairs a model whose stub died.
    """
    metrics = (
        ["--allow-metrics=false"]
        if endpoint.metrics_port is None
        else [f"--metrics-address={endpoint.address}", f"--metrics-port={endpoint.metrics_port}"]
    )
    return [
        str(installation.server),
        f"--model-repository={repository.absolute()}",
        "--model-control-mode=explicit",
        "--disable-auto-complete-config",
        f"--backend-directory={runtime.path / 'backends'}",
        f"--backend-config=python,shm-region-prefix-name={runtime.region_prefix}",
        f"--cache-directory={installation.caches}",
        f"--exit-timeout-secs={max(1, round(stop_timeout_s))}",
        "--allow-http=false",
        f"--grpc-address={endpoint.address}",
        f"--grpc-port={endpoint.grpc_port}",
        f"--grpc-restricted-protocol=model-repository,shared-memory,trace,logging:{ADMIN_HEADER}={endpoint.admin_token}",
        "--allow-gpu-metrics=false",
        "--pinned-memory-pool-byte-size=0",
        *metrics,
    ]


def _link_files(installation: TritonInstallation, folder: Path) -> None:
    """Lay out the backend folder that tritonserver expects, and a library folder with nothing but libpython."""
    links = {path.name: path for path in (*installation.backend.glob("*.so"), *installation.backend.glob("*.py"))} | {
        installation.stub.name: installation.stub
    }
    for target, names in ((folder / "backends" / "python", links), (folder / "lib", _library(installation))):
        target.mkdir(parents=True, exist_ok=True)
        for name, path in names.items():
            (target / name).unlink(missing_ok=True)
            (target / name).symlink_to(path)


def _library(installation: TritonInstallation) -> dict[str, Path]:
    return {installation.libpython.name: installation.libpython}


def _environment(installation: TritonInstallation, folder: Path) -> dict[str, str]:
    environment = dict(os.environ)
    inherited = environment.get("LD_LIBRARY_PATH")
    environment["LD_LIBRARY_PATH"] = f"{folder / 'lib'}:{inherited}" if inherited else str(folder / "lib")
    environment["PATH"] = f"{installation.interpreter_folder}:{environment.get('PATH', os.defpath)}"
    # Its ONNX Runtime is the one for CPUs; without this it would still take memory on every GPU.
    environment["CUDA_VISIBLE_DEVICES"] = ""
    return environment
