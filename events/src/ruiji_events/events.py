"""Events on their way from a server to the partitions: one JSON object each, as a journal keeps them.

Its keys are the columns of its table (see `schema`), times in microseconds since 1970 UTC, and `table` itself; what is
null is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Event: TypeAlias = Mapping[str, Any]
"""The columns of one row by name, and its `table`."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def encode_event(event: Event) -> bytes:
    """Return an event as one line of JSON in UTF-8, without its end."""
    return _encode({name: value for name, value in event.items() if value is not None}).encode()


def decode_events(lines: Sequence[bytes]) -> list[dict[str, Any]]:
    """Return the events of lines that `encode_event` made."""
    # One array is parsed in half the time of its lines.
    events: list[dict[str, Any]] = json.loads(b"[" + b",".join(lines) + b"]")
    return events
