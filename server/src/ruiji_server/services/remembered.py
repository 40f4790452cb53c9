"""Answers that are dear to find out, found out once for all who ask at about the same time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

_BUSY_SHARE: Final = 0.1
"""Of the time, at most, that finding out one answer again and again takes."""


@dataclass(slots=True)
class _Entry(Generic[Value]):
    task: asyncio.Task[Value]
    good_until: float = field(default=float("inf"))
    """On the monotonic clock; later than any while it is being found out."""


class Remembered(Generic[Key, Value]):
    """Remembers what a blocking function returns, for a while. Use it in one event loop.

    Failures are not remembered; who waited for one gets it.
    """

    def __init__(self, find_out: Callable[[Key], Value], keep_s: float) -> None:
        """Prepare.

        Args:
            find_out: runs in a thread.
            keep_s: how long an answer is good for, in seconds; longer where finding it out took more than a tenth of
                that.
        """
        self._find_out = find_out
        self._keep_s = keep_s
        self._entries: dict[Key, _Entry[Value]] = {}

    async def get(self, key: Key) -> Value:
        """Return the answer for a key, which may be some time old."""
        entry = self._entries.get(key)
        if entry is None or entry.good_until < time.monotonic():
            entry = self._entries[key] = _Entry(asyncio.create_task(self._ask(key)))
        # Who leaves does not take the answer away from the others.
        return await asyncio.shield(entry.task)

    async def _ask(self, key: Key) -> Value:
        started = time.monotonic()
        try:
            value = await asyncio.to_thread(self._find_out, key)
        except BaseException:
            del self._entries[key]
            raise
        now = time.monotonic()
        self._entries[key].good_until = now + max(self._keep_s, (now - started) / _BUSY_SHARE)
        return value
