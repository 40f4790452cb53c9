"""Who uses a folder, told to the other processes of a machine by file locks.

One rule: whoever writes, reads or maps a folder holds a shared lock on it; whoever removes it first takes the exclusive
lock. The kernel drops locks when a process ends, however it ends. Locks count on one machine: where several mount the
same folder, the others' leases are not seen.
"""

from __future__ import annotations

import fcntl
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ruiji_server.generations.errors import DirectoryBusy, GenerationGone


class Lease:
    """Holds a lock until it is closed or forgotten."""

    def __init__(self, descriptor: int) -> None:
        self._close = weakref.finalize(self, os.close, descriptor)

    def close(self) -> None:
        """Give the lock up; doing so twice does no harm."""
        self._close()

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def lease(folder: Path) -> Lease:
    """Keep a folder from being removed by other processes, for as long as the lease lives.

    Raises:
        GenerationGone: there is no such folder, or it was just removed.
    """
    try:
        descriptor, found = _open(folder)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise GenerationGone(f"{folder} is not there") from error
    # Waits for a collector to make up its mind, which takes two looks at the disk.
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    if not _is_same(folder, descriptor):
        found.close()
        raise GenerationGone(f"{folder} was collected")
    return found


def new_folder(folder: Path) -> Lease:
    """Make a folder and lease it.

    Raises:
        FileExistsError: there is one.
    """
    while True:
        folder.mkdir()
        try:
            return lease(folder)
        except GenerationGone:
            # Taken for abandoned between the two calls.
            continue


def lease_to_remove(folder: Path) -> Lease | None:
    """Return the exclusive lock on a folder, or None if somebody uses it or it is gone."""
    try:
        descriptor, found = _open(folder)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        found.close()
        return None
    if not _is_same(folder, descriptor):
        found.close()
        return None
    return found


@contextmanager
def only_one(path: Path, doing: str) -> Iterator[None]:
    """Hold a lock file while the context lasts; the file stays.

    Args:
        path: of the lock file.
        doing: what the holder does, for the message to the second.

    Raises:
        DirectoryBusy: another process holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            raise DirectoryBusy(
                f"another process (pid {holder}) is {doing} in {path.parent}; wait for it, or end it"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _open(folder: Path) -> tuple[int, Lease]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    return descriptor, Lease(descriptor)


def _is_same(folder: Path, descriptor: int) -> bool:
    """Return whether the path still leads to the folder that was opened."""
    try:
        return os.path.samestat(folder.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
