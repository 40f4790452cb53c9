"""One tritonserver from its start until it has to be replaced: brings encoders up, watches and repairs them."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from tritonclient.utils import InferenceServerException

from ruiji_triton.control import Verdict
from ruiji_triton.errors import StartError, StartTimeoutError
from ruiji_triton.traffic import Traffic

if TYPE_CHECKING:
    import threading

    from ruiji_triton.control import TritonControl
    from ruiji_triton.process import TritonProcess
    from ruiji_triton.settings import SupervisorSettings

logger = logging.getLogger(__name__)

_LIVE_POLL_S = 0.02
_TIMED_OUT = "StatusCode.DEADLINE_EXCEEDED"


class ServerRun:
    """Brings up and watches the encoders of one tritonserver."""

    def __init__(
        self,
        process: TritonProcess,
        control: TritonControl,
        encoder_ids: tuple[str, ...],
        settings: SupervisorSettings,
        *,
        stopping: threading.Event,
        serving: threading.Event,
    ) -> None:
        self._process = process
        self._control = control
        self._encoder_ids = encoder_ids
        self._settings = settings
        self._stopping = stopping
        self._serving = serving

    def bring_up(self) -> None:
        """Wait for the server, load every encoder and see each embed a picture.

        Raises:
            StartTimeoutError: one of these did not happen in time.
            StartError: a model was refused, or the process ended.
        """
        deadline = time.monotonic() + self._settings.start_timeout_s
        while not self._control.is_live():
            if self._is_over() or time.monotonic() >= deadline:
                raise self._start_error("does not take calls", timed_out=True)
            time.sleep(_LIVE_POLL_S)
        for encoder_id in self._encoder_ids:
            try:
                self._control.load(encoder_id, timeout_s=max(1.0, deadline - time.monotonic()))
            except InferenceServerException as error:
                if error.status() == _TIMED_OUT or self._is_over():
                    raise self._start_error(f"does not load {encoder_id} in time", timed_out=True) from error
                raise StartError(f"tritonserver does not load {encoder_id}: {error.message()}") from error
            verdict = self._probe(encoder_id, timeout_s=max(1.0, deadline - time.monotonic()))
            if verdict is not Verdict.SERVING:
                complaint = f"loaded {encoder_id}, which does not embed a picture"
                raise self._start_error(complaint, timed_out=verdict is Verdict.STUCK)
        self._serving.set()

    def watch(self) -> None:
        """Keep every encoder answering; return when a stop is asked for or the server has to be replaced."""
        traffic = {encoder_id: self._fresh_traffic() for encoder_id in self._encoder_ids}
        while not self._stopping.wait(self._settings.watch_interval_s):
            if self._process.exit_code is not None:
                logger.error("tritonserver ended with exit code %d", self._process.exit_code)
                return
            for encoder_id in self._encoder_ids:
                if not self._needs_probe(encoder_id, traffic[encoder_id]):
                    continue
                verdict = self._probe(encoder_id, timeout_s=self._settings.probe_timeout_s)
                if verdict is Verdict.SERVING:
                    traffic[encoder_id].probed(now_s=time.monotonic())
                elif self._is_over():
                    break
                elif verdict is Verdict.BROKEN and self._reload(encoder_id):
                    traffic[encoder_id] = self._fresh_traffic()
                else:
                    logger.error("%s is %s: tritonserver is replaced", encoder_id, verdict.value)
                    return

    def _needs_probe(self, encoder_id: str, traffic: Traffic) -> bool:
        try:
            answered, failed = self._control.requests(encoder_id)
        except InferenceServerException:
            return True
        return traffic.needs_probe(answered=answered, failed=failed, now_s=time.monotonic())

    def _reload(self, encoder_id: str) -> bool:
        """Load the model again, which starts a new process for it; whether it answers then."""
        logger.error("%s does not answer: its model is loaded again", encoder_id)
        self._serving.clear()
        try:
            self._control.unload(encoder_id)
            self._control.load(encoder_id, timeout_s=self._settings.start_timeout_s)
        except InferenceServerException as error:
            logger.warning("%s does not load again: %s", encoder_id, error)
            return False
        if self._probe(encoder_id, timeout_s=self._settings.probe_timeout_s) is not Verdict.SERVING:
            return False
        logger.info("%s answers again", encoder_id)
        self._serving.set()
        return True

    def _probe(self, encoder_id: str, *, timeout_s: float) -> Verdict:
        return self._control.probe(encoder_id, timeout_s=timeout_s, is_over=self._is_over)

    def _is_over(self) -> bool:
        return self._stopping.is_set() or self._process.exit_code is not None

    def _fresh_traffic(self) -> Traffic:
        return Traffic(now_s=time.monotonic(), probe_interval_s=self._settings.probe_interval_s)

    def _start_error(self, complaint: str, *, timed_out: bool) -> StartError:
        if self._process.exit_code is not None:
            complaint, timed_out = f"ended with exit code {self._process.exit_code}", False
        kind = StartTimeoutError if timed_out else StartError
        return kind(f"tritonserver {complaint}; its last lines:\n{self._process.last_lines}")
