"""Pauses that grow while something is away."""

from __future__ import annotations

import asyncio
import time


class Pause:
    """How long to leave something alone that failed: twice as long after each failure, nothing after a success."""

    def __init__(self, first_s: float, longest_s: float) -> None:
        """Bound the pauses."""
        self._first_s = first_s
        self._longest_s = longest_s
        self._next_s = first_s
        self._until = 0.0

    @property
    def active(self) -> bool:
        """Whether a pause is under way."""
        return self._until > time.monotonic()

    def failed(self) -> float:
        """Begin a pause, unless one is under way; return how long it lasts from now."""
        if not self.active:
            self._until = time.monotonic() + self._next_s
            self._next_s = min(2 * self._next_s, self._longest_s)
        return self._until - time.monotonic()

    def worked(self) -> None:
        """Begin with short pauses again."""
        self._next_s = self._first_s

    async def over(self, stop: asyncio.Event) -> None:
        """Wait until the pause is over, or `stop` is set."""
        remaining_s = self._until - time.monotonic()
        if remaining_s <= 0:
            return
        try:
            # Not wait_for, which in Python 3.11 swallows a cancellation that comes together with the event.
            async with asyncio.timeout(remaining_s):
                await stop.wait()
        except TimeoutError:
            return
