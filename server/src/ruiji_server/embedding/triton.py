"""The encoder as Triton serves it. The same code talks to the embedded server and to NVIDIA's container."""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType
from typing import Self

import grpc
import numpy as np
import tritonclient.grpc.aio as triton
from numpy.typing import NDArray
from ruiji_encoding.manifest import INPUT_NAME, OUTPUT_NAME
from tritonclient.utils import InferenceServerException

from ruiji_server.domain.errors import NotReady, Reason, Unavailable

_LOG = logging.getLogger(__name__)

_LIVE_TIMEOUT_S = 2.0
"""For the answer whether Triton lives, which takes it no time."""

_CHANNEL = [
    # A Triton that restarts is found again within a second instead of gRPC's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
]


class TritonClient:
    """Embeds pixels with the encoders of one Triton server. Use inside one event loop; calls may run side by side."""

    def __init__(self, url: str, *, timeout_s: float = 30.0) -> None:
        """Prepare a connection; nothing is sent yet.

        Args:
            url: host and port of Triton's gRPC endpoint.
            timeout_s: longest wait for an answer.
        """
        self._url = url
        self._timeout_s = timeout_s
        self._client = triton.InferenceServerClient(url, channel_args=_CHANNEL)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def dimensions(self, encoder_id: str) -> int:
        """Return the length of an encoder's embeddings, after checking that the model of its name is that encoder.

        Raises:
            Unavailable: Triton does not answer, or does not have the model.
            NotReady: the model of that name is another encoder.
        """
        try:
            answer = await self._client.get_model_config(encoder_id, client_timeout=self._timeout_s)
        except (InferenceServerException, grpc.RpcError) as error:
            raise _unavailable(encoder_id) from error
        found = answer.config.parameters["encoder_id"].string_value
        if found != encoder_id:
            raise NotReady(
                Reason.ENCODER_MISMATCH,
                f"Triton's model {encoder_id} says it is encoder {found!r}; write its repository again with "
                "`ruiji encoder repositories`",
            )
        return int(answer.config.output[0].dims[0])

    async def embed(
        self, encoder_id: str, pixels: NDArray[np.uint8], *, timeout_s: float | None = None
    ) -> NDArray[np.float32]:
        """Return the embeddings of pictures.

        Args:
            encoder_id: what embeds; the model's name on the server.
            pixels: RGB, shape (n, 256, 256, 3), uint8; n at most the model's largest batch.
            timeout_s: longest wait for the answer, if less than the connection's.

        Returns:
            Shape (n, dimensions), float32, unit length.

        Raises:
            Unavailable: Triton cannot be reached, failed, or took too long.
        """
        request = triton.InferInput(INPUT_NAME, list(pixels.shape), "UINT8")
        request.set_data_from_numpy(pixels)
        patience_s = self._timeout_s if timeout_s is None else min(timeout_s, self._timeout_s)
        try:
            answer = await self._client.infer(
                encoder_id,
                [request],
                outputs=[triton.InferRequestedOutput(OUTPUT_NAME)],
                client_timeout=patience_s,
            )
        except (InferenceServerException, grpc.RpcError) as error:
            raise _unavailable(encoder_id) from error
        vectors: NDArray[np.float32] | None = answer.as_numpy(OUTPUT_NAME)
        if vectors is None or len(vectors) != len(pixels):
            raise _unavailable(encoder_id)
        return vectors

    async def wait_until_ready(self, encoder_id: str, poll_s: float = 0.5) -> int:
        """Wait until Triton serves an encoder, for ever if need be, and log that; return its dimensions."""
        waiting = False
        while True:
            try:
                return await self.dimensions(encoder_id)
            except Unavailable:
                if not waiting:
                    waiting = True
                    _LOG.warning("Triton at %s does not serve encoder %s: waiting until it does", self._url, encoder_id)
                await asyncio.sleep(poll_s)

    async def report_until_live(self, poll_s: float = 1.0) -> None:
        """Log that Triton does not answer, if so, and that it does at last; return then."""
        waiting = False
        while not await self._is_live():
            if not waiting:
                waiting = True
                _LOG.warning(
                    "Triton at %s does not answer: queries by picture are refused until it does; others are not "
                    "affected",
                    self._url,
                )
            await asyncio.sleep(poll_s)
        _LOG.info("Triton at %s embeds query pictures", self._url)

    async def _is_live(self) -> bool:
        try:
            return bool(await self._client.is_server_live(client_timeout=_LIVE_TIMEOUT_S))
        except (InferenceServerException, grpc.RpcError):
            return False


def _unavailable(encoder_id: str) -> Unavailable:
    return Unavailable(
        Reason.ENCODER_UNAVAILABLE,
        f"encoder {encoder_id} cannot be reached at the moment; queries by item id are not affected",
    )
