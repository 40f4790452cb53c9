"""Physical lines of a text file: numbered as an editor numbers them, bounded in length, decoded one by one."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from ruiji_server.importing.errors import RowError, RowReason, TableError

MAX_LINE_BYTES: Final = 1024 * 1024
"""Longer lines are reported and skipped, so that a file of another kind cannot fill memory."""

_BLOCK_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """One line with its ending, or why it cannot be read."""

    number: int
    text: str
    error: RowError | None = None


def read_lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a file, as UTF-8 with or without a byte order mark. Lines end in LF or CR LF.

    Raises:
        TableError: the file cannot be opened or read, or is UTF-16.
    """
    try:
        with path.open("rb") as file:
            _check_byte_order_mark(path, file)
            number = 0
            while raw := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(raw) > MAX_LINE_BYTES:
                    _skip_rest(file, raw)
                    yield _broken(number, RowReason.LINE_TOO_LONG, f"line is longer than {MAX_LINE_BYTES} bytes")
                    continue
                try:
                    line = Line(number, raw.decode())
                except UnicodeDecodeError as error:
                    at_fault = f"byte {error.start + 1} of the line (0x{raw[error.start]:02x})"
                    line = _broken(number, RowReason.NOT_UTF8, f"{at_fault} is not UTF-8; save the file as UTF-8")
                yield line
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from error


def count_lines(path: Path) -> int:
    """Return the number of lines, blank ones included, at about the speed of reading the file.

    Raises:
        TableError: the file cannot be read.
    """
    count, last = 0, b"\n"
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                count += block.count(b"\n")
                last = block[-1:]
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from error
    return count if last == b"\n" else count + 1


def _check_byte_order_mark(path: Path, file: BinaryIO) -> None:
    start = file.read(len(codecs.BOM_UTF8))
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise TableError(f"{path} is UTF-16: save it as UTF-8")
    if start != codecs.BOM_UTF8:
        file.seek(0)


def _skip_rest(file: BinaryIO, raw: bytes) -> None:
    while raw and not raw.endswith(b"\n"):
        raw = file.readline(_BLOCK_BYTES)


def _broken(number: int, reason: RowReason, message: str) -> Line:
    return Line(number, "", RowError(number, "", reason, "", message))
