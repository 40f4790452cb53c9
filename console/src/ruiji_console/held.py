"""Bytes that are kept while there is room, the least recently used ones going first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class HeldBytes(Generic[Key]):
    """A bounded number of bytes by key."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held: OrderedDict[Key, bytes] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: Key) -> bytes | None:
        """Return what is held for a key, or None if it is not any more."""
        content = self._held.get(key)
        if content is not None:
            self._held.move_to_end(key)
        return content

    def put(self, key: Key, content: bytes) -> None:
        """Hold bytes; the newest are held even if they are more than there is room for."""
        before = self._held.pop(key, b"")
        self._held[key] = content
        self._size += len(content) - len(before)
        while self._size > self._max_bytes and len(self._held) > 1:
            _, dropped = self._held.popitem(last=False)
            self._size -= len(dropped)
