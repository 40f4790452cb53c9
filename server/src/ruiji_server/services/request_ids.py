"""Names of answers, to which impressions, taps and purchases refer."""

from __future__ import annotations

import os
import time
from typing import Final

REQUEST_ID_CHARS: Final = 32
_RANDOM_BYTES: Final = 10
_VERSION: Final = 7 << 76
_VERSION_BITS: Final = 0xF << 76
_VARIANT: Final = 2 << 62
_VARIANT_BITS: Final = 3 << 62


def new_request_id() -> str:
    """Return a UUID of version 7 (RFC 9562) as 32 hexadecimal digits: milliseconds since 1970 UTC, then 74 random bits.

    Ids sort by time to the millisecond, so they cluster in logs that are kept by time. Takes about a microsecond, half
    of what `uuid.uuid4().hex` takes.
    """
    random = int.from_bytes(os.urandom(_RANDOM_BYTES))
    low = random & ~(_VERSION_BITS | _VARIANT_BITS) | _VERSION | _VARIANT
    return f"{time.time_ns() // 1_000_000 << 80 | low:032x}"
