"""The folder in which the journals of one machine's servers keep their segments.

    <writer>-<number>.open       is being written; its writer holds a lock on it (flock)
    <writer>-<number>.segment    is sealed: nobody writes it any more
    .<writer>-<number>.new       is being made
    rotate                       its time says when somebody last asked the writers to seal what they have
    compaction.lock              held by whoever works on the partitions

An `.open` file without a lock was left by a writer that died; whoever compacts seals it. Names sort by the time their
writer started, then by number. The folder must be on a disk of the machine, for the sake of its locks.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ruiji_events.errors import CompactionBusy

OPEN_SUFFIX: Final = ".open"
SEALED_SUFFIX: Final = ".segment"
_ROTATE: Final = "rotate"
_LOCK: Final = "compaction.lock"
_POLL_S: Final = 0.02


def new_writer_name() -> str:
    """Return a name that no other writer has."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sealed_segments(folder: Path) -> list[Path]:
    """Return the segments that nobody writes any more, oldest writer first."""
    return sorted(folder.glob(f"*{SEALED_SUFFIX}"))


def open_segments(folder: Path) -> list[Path]:
    """Return the segments that are being written, and those that dead writers left."""
    return sorted(folder.glob(f"*{OPEN_SUFFIX}"))


def seal(path: Path) -> None:
    """Seal an open segment; for who holds its lock."""
    path.rename(path.with_suffix(SEALED_SUFFIX))
    sync_folder(path.parent)


def seal_abandoned(folder: Path) -> None:
    """Seal what dead writers left."""
    for path in open_segments(folder):
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue  # its writer sealed it just now
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue  # its writer lives
        else:
            if path.exists():
                seal(path)
        finally:
            os.close(descriptor)


def rotation_asked_ns(folder: Path) -> int:
    """Return when somebody last asked the writers to seal what they have, in ns; 0 if nobody did.

    Whoever finds another time than when it began its segment was asked since, whatever the clock did meanwhile.
    """
    try:
        return (folder / _ROTATE).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def ask_for_rotation(folder: Path, timeout_s: float) -> bool:
    """Have every segment sealed that is open now, by its writer if that lives.

    Args:
        folder: the journals'.
        timeout_s: how long writers are waited for; they look twice a second.

    Returns:
        Whether all are sealed; False if a writer does not react.
    """
    # What is begun after this was not asked for, and is not waited for.
    awaited = set(open_segments(folder))
    request = folder / _ROTATE
    request.touch()
    # The file system's own clock may stand still for milliseconds.
    now_ns = time.time_ns()
    os.utime(request, ns=(now_ns, now_ns))
    until = time.monotonic() + timeout_s
    while True:
        seal_abandoned(folder)
        if not awaited & set(open_segments(folder)):
            return True
        if time.monotonic() > until:
            return False
        time.sleep(_POLL_S)


@contextmanager
def compaction_lock(folder: Path) -> Iterator[None]:
    """Be the only one on this machine that works on the partitions.

    Raises:
        CompactionBusy: another process does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CompactionBusy(
                f"another process compacts, trims or erases the events of {folder}; try again when it is done"
            ) from error
        yield
    finally:
        os.close(descriptor)
