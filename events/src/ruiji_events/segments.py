r"""The files of a journal: groups of events, each with a checksum.

    segment = "RUIJIJ" version:u16 group*
    group   = FF FE "RG" length:u32 crc32:u32 payload       (little endian; the checksum covers length and payload)
    payload = event "\n" event "\n" ...                     (see `events`)

A group is what one write and one fsync made durable, and the next group is written only afterwards. So what is broken
at the end of a file is a group that nobody was told is durable: a torn tail, passed over. What is broken before a whole
group was durable once, so that is damage. FF and FE occur in no UTF-8, so a payload cannot look like a group.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ruiji_events.errors import JournalFailed, SegmentDamaged

JOURNAL_VERSION: Final = 1
"""Of the segments."""

_MAGIC: Final = b"RUIJIJ"
HEADER: Final = _MAGIC + struct.pack("<H", JOURNAL_VERSION)
"""What a segment begins with."""
_GROUP_MAGIC: Final = b"\xff\xfeRG"
_GROUP_HEAD: Final = struct.Struct("<4sII")
_LENGTH: Final = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class SegmentContents:
    """What a segment holds."""

    lines: list[bytes]
    """The events, in the order in which they came."""
    torn_bytes: int
    """Length of a last group that was not written to its end."""
    lost_bytes: int
    """Length of damaged groups that were passed over; 0 unless that was asked for."""


def encode_group(lines: Sequence[bytes]) -> bytes:
    """Return a group of events, ready to be appended to a segment."""
    payload = b"\n".join(lines)
    length = _LENGTH.pack(len(payload))
    return _GROUP_HEAD.pack(_GROUP_MAGIC, len(payload), zlib.crc32(payload, zlib.crc32(length))) + payload


def read_segment(path: Path, *, salvage: bool = False) -> SegmentContents:
    """Read a segment that nobody writes any more.

    Args:
        path: the file.
        salvage: pass over damaged groups instead of refusing them.

    Raises:
        SegmentDamaged: a group that was durable is not intact.
        JournalFailed: it cannot be read, or is of another format version.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise JournalFailed(f"segment {path} cannot be read: {error.strerror}") from error
    if not content.startswith(HEADER):
        if content.startswith(_MAGIC) and len(content) >= len(HEADER):
            version = struct.unpack_from("<H", content, len(_MAGIC))[0]
            raise JournalFailed(f"segment {path} has format version {version}; this release reads {JOURNAL_VERSION}")
        if not salvage:
            raise SegmentDamaged(f"{path} does not begin as a segment does; {_REMEDY}")
    lines: list[bytes] = []
    lost = 0
    position = len(HEADER)
    while position < len(content):
        end = _end_of_group(content, position)
        if end is not None:
            payload = content[position + _GROUP_HEAD.size : end]
            lines += payload.split(b"\n")
            position = end
            continue
        after = _next_group(content, position + 1)
        if after is None:
            return SegmentContents(lines, len(content) - position, lost)
        if not salvage:
            raise SegmentDamaged(f"segment {path} is damaged at byte {position:,} of {len(content):,}; {_REMEDY}")
        lost += after - position
        position = after
    return SegmentContents(lines, 0, lost)


_REMEDY: Final = (
    "acknowledged events are there. Restore it from a backup, or take what is left of it with "
    "`ruiji events compact --salvage`"
)


def _end_of_group(content: bytes, start: int) -> int | None:
    """Return where the group that begins at `start` ends, or None if there is no whole one."""
    if start + _GROUP_HEAD.size > len(content):
        return None
    magic, length, checksum = _GROUP_HEAD.unpack_from(content, start)
    end: int = start + _GROUP_HEAD.size + length
    if magic != _GROUP_MAGIC or end > len(content):
        return None
    found = zlib.crc32(memoryview(content)[start + _GROUP_HEAD.size : end], zlib.crc32(_LENGTH.pack(length)))
    return end if found == checksum else None


def _next_group(content: bytes, start: int) -> int | None:
    """Return where the next whole group begins, or None."""
    while (start := content.find(_GROUP_MAGIC, start)) >= 0:
        if _end_of_group(content, start) is not None:
            return start
        start += 1
    return None
