"""Runs the embedded tritonserver and keeps it answering.

Triton says "ready" of a model whose process is dead, so a supervisor believes inferences only: it has started when
every encoder has embedded a picture, and it watches by the same test. A model whose process died is loaded again, which
takes a fraction of a second; a tritonserver that died or hangs is replaced, at the same address.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ruiji_triton.control import TritonControl
from ruiji_triton.errors import GaveUpError, RepositoryError, ServerError, StartError, StartTimeoutError
from ruiji_triton.installation import find_installation
from ruiji_triton.ports import reserve_port
from ruiji_triton.process import Endpoint, TritonProcess
from ruiji_triton.repositories import encoders_in
from ruiji_triton.runtime import RuntimeFolder, sweep_abandoned
from ruiji_triton.server_run import ServerRun

if TYPE_CHECKING:
    from types import TracebackType

    from ruiji_triton.installation import TritonInstallation
    from ruiji_triton.settings import SupervisorSettings

logger = logging.getLogger(__name__)

_STABLE_S = 60.0
"""Serving this long ends a row of failed restarts."""

_MAX_PAUSE_S = 30.0

_CALL_TIMEOUT_S = 10.0
"""For calls that are answered in a millisecond by a tritonserver that is alive."""


class TritonSupervisor:
    """An embedded Triton, from `start` to `stop`; a context manager. It can be started once.

    Attributes:
        encoder_ids: the encoders it serves, which are the names of Triton's models.
    """

    def __init__(self, settings: SupervisorSettings) -> None:
        """Check the settings against the repository.

        Raises:
            RepositoryError: the repository does not hold an encoder that was asked for.
        """
        available = encoders_in(settings.repository)
        unknown = sorted(set(settings.encoder_ids) - set(available))
        if unknown:
            raise RepositoryError(
                f"{settings.repository} holds {', '.join(available)} and not {', '.join(unknown)}: "
                "write the repositories of the encoder first"
            )
        self.encoder_ids = settings.encoder_ids or available
        self._settings = settings
        self._endpoint: Endpoint | None = None
        self._process: TritonProcess | None = None
        self._stopping = threading.Event()
        self._serving = threading.Event()
        # Set when start() may return: every encoder answers, or none ever will.
        self._settled = threading.Event()
        self._end: Future[None] = Future()
        # A daemon, so that a program which forgets stop() can exit; the kernel ends tritonserver then.
        self._thread = threading.Thread(target=self._run, name="triton-supervisor", daemon=True)

    def start(self) -> None:
        """Start tritonserver and return when every encoder answers.

        Raises:
            InstallationError: there is no tritonserver that can run here.
            StartError: it did not come to answer, or a stop was asked for while it started. A start that hangs is ended
                after `start_timeout_s` and tried once more.
        """
        self._thread.start()
        try:
            self._settled.wait()
        except BaseException:
            self.stop()
            raise
        if self._end.done():
            self._end.result()
            raise StartError("tritonserver was stopped before it served")

    def stop(self) -> None:
        """Let queued requests finish, end tritonserver and remove what it leaves on the machine."""
        self.request_stop()
        if self._thread.ident is not None:
            self._thread.join()

    def request_stop(self) -> None:
        """Begin to stop and return at once; from any thread."""
        self._stopping.set()
        process = self._process
        if process is not None:
            process.terminate()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end of the supervision.

        Returns:
            Whether it has ended; False when the time is over.

        Raises:
            GaveUpError: tritonserver could not be brought back.
        """
        try:
            self._end.result(timeout_s)
        except FutureTimeoutError:
            return False
        return True

    @property
    def url(self) -> str:
        """`host:port` of the gRPC service, the same over all restarts."""
        return self._started_endpoint().url

    @property
    def metrics_url(self) -> str | None:
        """Where Prometheus finds Triton's metrics; None if they are not served."""
        endpoint = self._started_endpoint()
        return None if endpoint.metrics_port is None else f"http://{endpoint.address}:{endpoint.metrics_port}/metrics"

    @property
    def serving(self) -> bool:
        """Whether every encoder answered when it was last looked at."""
        return self._serving.is_set()

    @property
    def pid(self) -> int | None:
        """Process id of the present tritonserver; None while there is none."""
        process = self._process
        return None if process is None else process.pid

    def __enter__(self) -> TritonSupervisor:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _started_endpoint(self) -> Endpoint:
        if self._endpoint is None or not self._settled.is_set():
            raise ServerError("the supervisor has not been started")
        return self._endpoint

    def _run(self) -> None:
        try:
            with ExitStack() as stack:
                self._supervise(stack)
        except BaseException as error:  # noqa: BLE001  (kept for start() and wait(), which raise it to their caller)
            if self._settled.is_set():
                logger.critical("the supervision of tritonserver has ended: %s", error)
            self._end.set_exception(error)
        else:
            self._end.set_result(None)
        finally:
            self._settled.set()

    def _supervise(self, stack: ExitStack) -> None:
        """Replace tritonserver whenever it ends; `stack` holds what outlives the single run."""
        installation = find_installation()
        sweep_abandoned()
        runtime = stack.enter_context(RuntimeFolder())
        endpoint = self._endpoint = self._reserve_endpoint(stack)
        failures = 0
        while not self._stopping.is_set():
            try:
                served_s = self._serve_once(installation, runtime, endpoint)
            except StartError as error:
                hung = isinstance(error, StartTimeoutError) and failures == 0
                if not self._settled.is_set() and (not hung or self._stopping.is_set()):
                    raise
                logger.warning("tritonserver is started again: %s", error)
                served_s = 0.0
            failures = 1 if served_s >= _STABLE_S else failures + 1
            if failures > self._settings.restart_limit and not self._stopping.is_set():
                raise GaveUpError(
                    f"tritonserver ended {failures} times, each within {_STABLE_S:.0f} s of its start; its log says why"
                )
            self._stopping.wait(0.0 if failures == 1 else min(_MAX_PAUSE_S, 2.0 ** (failures - 2)))

    def _serve_once(self, installation: TritonInstallation, runtime: RuntimeFolder, endpoint: Endpoint) -> float:
        """Run one tritonserver until it has to be replaced or a stop is asked for; return how long it served."""
        process = TritonProcess(
            installation, runtime, self._settings.repository, endpoint, stop_timeout_s=self._settings.stop_timeout_s
        )
        self._process = process
        call_timeout_s = min(_CALL_TIMEOUT_S, self._settings.probe_timeout_s)
        try:
            if self._stopping.is_set():
                # The stop was asked for when there was no process to tell yet.
                process.terminate()
            with TritonControl(endpoint, call_timeout_s=call_timeout_s) as control:
                run = ServerRun(
                    process,
                    control,
                    self.encoder_ids,
                    self._settings,
                    stopping=self._stopping,
                    serving=self._serving,
                )
                run.bring_up()
                served_from_s = time.monotonic()
                self._settled.set()
                run.watch()
                return time.monotonic() - served_from_s
        finally:
            self._serving.clear()
            process.end(gracefully=self._stopping.is_set())
            self._process = None
            runtime.remove_regions()

    def _reserve_endpoint(self, stack: ExitStack) -> Endpoint:
        def reserved(port: int) -> int:
            held = stack.enter_context(reserve_port(self._settings.address, port))
            return int(held.getsockname()[1])

        metrics_port = self._settings.metrics_port
        return Endpoint(
            address=self._settings.address,
            grpc_port=reserved(self._settings.grpc_port),
            metrics_port=None if metrics_port is None else reserved(metrics_port),
            admin_token=secrets.token_urlsafe(16),
        )
