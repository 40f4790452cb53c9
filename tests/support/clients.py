"""The asyncio client behind the face of the blocking one, so that a test is written once for both."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from typing import Any

from ruiji_client import AsyncRuijiClient, ClientSettings, RuijiClient

OpenClient = Callable[[ClientSettings | str], RuijiClient]


class BlockingAio:
    """An AsyncRuijiClient on an event loop in a thread; its methods block, so that a test reads the same for both."""

    def __init__(self, settings: ClientSettings | str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        try:
            self._client = self._run(self._open, settings)
        except BaseException:
            self._stop()
            raise

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args, **kwargs: self._run(getattr(self._client, name), *args, **kwargs)

    def close(self) -> None:
        self._run(self._client.close)
        self._stop()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @staticmethod
    async def _open(settings: ClientSettings | str) -> AsyncRuijiClient:
        return AsyncRuijiClient(settings)

    def _run(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        async def call() -> Any:
            answer = method(*args, **kwargs)
            return await answer if inspect.isawaitable(answer) else answer

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result()
