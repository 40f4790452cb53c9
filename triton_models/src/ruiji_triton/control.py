"""What a supervisor asks of a running tritonserver: load and unload models, and find out whether they really answer."""

from __future__ import annotations

import logging
import time
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
from ruiji_encoding.manifest import INPUT_NAME, OUTPUT_NAME
from ruiji_encoding.pictures import PICTURE_SIZE_PX
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from ruiji_triton.process import ADMIN_HEADER, Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

logger = logging.getLogger(__name__)

_RETRY_PAUSE_S = 0.2

_CHANNEL = [
    # Proxy variables of the environment are for the way out of the machine.
    ("grpc.enable_http_proxy", 0),
    # The default waits for a second after each refused connection, longer than tritonserver takes to start.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]

_BUSY = {"StatusCode.UNAVAILABLE", "StatusCode.DEADLINE_EXCEEDED", "StatusCode.RESOURCE_EXHAUSTED"}
"""How Triton refuses a request because of a long queue. A stub that died is INTERNAL."""


class Verdict(Enum):
    """What a probe found out about a model."""

    SERVING = "serving"
    """It answers, or is so busy with answering others that the probe found no place."""
    BROKEN = "broken"
    """It fails requests, as it does when its stub is gone: loading it again helps."""
    STUCK = "stuck"
    """It answers nobody: only a new tritonserver helps."""


class TritonControl:
    """Controls one tritonserver over gRPC; a context manager."""

    def __init__(self, endpoint: Endpoint, *, call_timeout_s: float) -> None:
        self._call_timeout_s = call_timeout_s
        self._client = InferenceServerClient(endpoint.url, channel_args=_CHANNEL)
        self._headers = {f"triton-grpc-protocol-{ADMIN_HEADER}": endpoint.admin_token}

    def __enter__(self) -> TritonControl:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()

    def is_live(self) -> bool:
        """Whether tritonserver takes calls; says nothing about its models."""
        try:
            return bool(self._client.is_server_live(client_timeout=self._call_timeout_s))
        except InferenceServerException:
            return False

    def load(self, encoder_id: str, *, timeout_s: float) -> None:
        """Load a model and wait until it is there, warmup included.

        Raises:
            InferenceServerException: it does not load; the text carries the cause, with paths.
        """
        self._client.load_model(encoder_id, headers=self._headers, client_timeout=timeout_s)

    def unload(self, encoder_id: str) -> None:
        """Take a model out of service; returns before its last requests have ended."""
        self._client.unload_model(encoder_id, headers=self._headers, client_timeout=self._call_timeout_s)

    def requests(self, encoder_id: str) -> tuple[int, int]:
        """Return how many requests a model has answered and failed since it was loaded."""
        statistics = self._client.get_inference_statistics(encoder_id, client_timeout=self._call_timeout_s)
        versions = [version.inference_stats for version in statistics.model_stats]
        return sum(version.success.count for version in versions), sum(version.fail.count for version in versions)

    def probe(self, encoder_id: str, *, timeout_s: float, is_over: Callable[[], bool]) -> Verdict:
        """Send inferences until every instance of the model must have answered one.

        Readiness would not do: Triton calls a model ready whose stub is dead.

        Args:
            encoder_id: name of the model.
            timeout_s: how long it may answer nobody before it counts as stuck.
            is_over: whether no answer can come any more, so that a wait for one ends early.
        """
        deadline = time.monotonic() + timeout_s
        try:
            config = self._client.get_model_config(encoder_id, client_timeout=self._call_timeout_s).config
            answered, _ = self.requests(encoder_id)
        except InferenceServerException as error:
            logger.warning("%s: no answer about its state: %s", encoder_id, error)
            return Verdict.STUCK if error.status() in _BUSY else Verdict.BROKEN
        # Triton hands batches to idle instances in turn.
        for _ in range(sum(group.count for group in config.instance_group)):
            verdict = self._probe_once(encoder_id, answered, deadline, is_over)
            if verdict is not Verdict.SERVING:
                return verdict
        return Verdict.SERVING

    def _probe_once(
        self, encoder_id: str, answered_before: int, deadline: float, is_over: Callable[[], bool]
    ) -> Verdict:
        while True:
            try:
                self._infer(encoder_id, timeout_s=max(_RETRY_PAUSE_S, deadline - time.monotonic()))
            except InferenceServerException as error:
                logger.warning("%s: probe failed: %s", encoder_id, error)
                if error.status() not in _BUSY:
                    return Verdict.BROKEN
            else:
                return Verdict.SERVING
            time.sleep(_RETRY_PAUSE_S)
            if self._answered_since(encoder_id, answered_before):
                return Verdict.SERVING
            if is_over() or time.monotonic() >= deadline:
                return Verdict.STUCK

    def _answered_since(self, encoder_id: str, before: int) -> bool:
        try:
            return self.requests(encoder_id)[0] > before
        except InferenceServerException:
            return False

    def _infer(self, encoder_id: str, *, timeout_s: float) -> None:
        pixels = np.zeros((1, PICTURE_SIZE_PX, PICTURE_SIZE_PX, 3), dtype=np.uint8)
        tensor = InferInput(INPUT_NAME, list(pixels.shape), "UINT8")
        tensor.set_data_from_numpy(pixels)
        answer = self._client.infer(encoder_id, [tensor], client_timeout=timeout_s).as_numpy(OUTPUT_NAME)
        if answer is None or not np.isclose(np.linalg.norm(answer), 1.0, atol=1e-3):
            raise InferenceServerException("the embedding of a black picture has no unit length")
