"""The journal of one process: events are appended, synced in groups, and acknowledged.

One thread writes. Whatever is appended while it syncs makes up its next group, so that one fsync serves many callers.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ruiji_events.errors import JournalBusy, JournalError, JournalFailed, JournalFull
from ruiji_events.journal_folder import OPEN_SUFFIX, new_writer_name, rotation_asked_ns, seal, sync_folder
from ruiji_events.segments import HEADER, encode_group

_LOG = logging.getLogger(__name__)

_TICK_S: Final = 0.5
"""How often the writer looks whether its segment is due, while nothing comes."""
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """When segments are sealed, and how much may wait."""

    max_segment_bytes: int = 64 * 2**20
    """A segment is sealed when it is as large as this."""
    max_segment_age_s: float = 300.0
    """A segment is sealed at this age, even if nobody asked for it."""
    max_pending_bytes: int = 32 * 2**20
    """Events that may wait for the disk; more are refused."""

    def __post_init__(self) -> None:
        for name in ("max_segment_bytes", "max_segment_age_s", "max_pending_bytes"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be greater than 0")


class Journal:
    """Appends events durably. Safe to use from several threads; not across a fork."""

    def __init__(self, folder: Path, settings: JournalSettings | None = None) -> None:
        """Start the writing thread; the first segment is made with the first event.

        Args:
            folder: made if need be; several processes may share it.
            settings: see there.

        Raises:
            JournalFailed: the folder cannot be made or written.
        """
        self._folder = folder
        self._settings = settings or JournalSettings()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalFailed(f"the journal's folder {folder} cannot be made: {error.strerror}") from error
        if not os.access(folder, os.W_OK | os.X_OK):
            raise JournalFailed(f"the journal's folder {folder} cannot be written by this user")
        self._writer = new_writer_name()
        self._number = 0
        self._segment: _OpenSegment | None = None
        self._changed = threading.Condition()
        self._pending: list[tuple[Sequence[bytes], Future[None]]] = []
        self._pending_bytes = 0
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    @property
    def pending_bytes(self) -> int:
        """What waits for the disk."""
        return self._pending_bytes

    def append(self, lines: Sequence[bytes]) -> Future[None]:
        """Append events, all or none of them; returns at once.

        Args:
            lines: from `events.encode_event`; if there are none, nothing happens.

        Returns:
            Done when they are durable; fails with `JournalFull` or `JournalFailed` if they are not acknowledged.

        Raises:
            JournalBusy: too much waits for the disk.
            JournalFailed: the journal was closed.
        """
        done: Future[None] = Future()
        # Whoever stops waiting for it must not cancel it: the events are written all the same.
        done.set_running_or_notify_cancel()
        if not lines:
            done.set_result(None)
            return done
        size = sum(map(len, lines))
        with self._changed:
            if self._closing:
                raise JournalFailed("the journal was closed; send the events to another server")
            # A batch that is larger than all that may wait is taken when nothing does.
            if self._pending_bytes and self._pending_bytes + size > self._settings.max_pending_bytes:
                raise JournalBusy(f"{self._pending_bytes:,} bytes of events wait for the disk; send these again later")
            self._pending.append((lines, done))
            self._pending_bytes += size
            self._changed.notify()
        return done

    def close(self) -> None:
        """Write what waits, seal the segment, end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._write()
        finally:
            # Whatever ended the thread, nobody is left waiting for it.
            with self._changed:
                self._closing, left, self._pending = True, self._pending, []
            for _, done in left:
                done.set_exception(JournalFailed("the journal ended before these events were written"))

    def _write(self) -> None:
        while True:
            with self._changed:
                if not self._pending and not self._closing:
                    self._changed.wait(_TICK_S)
                taken, self._pending = self._pending, []
                closing = self._closing
            if taken:
                self._commit(taken)
            try:
                self._rotate(closing=closing)
            except OSError:
                _LOG.exception("a segment in %s cannot be sealed; the next compaction does it", self._folder)
            # Nothing is appended after closing; what was before has just been written.
            if closing:
                return

    def _commit(self, taken: list[tuple[Sequence[bytes], Future[None]]]) -> None:
        lines = [line for batch, _ in taken for line in batch]
        failure: JournalError | None = JournalFailed("the journal ended in the middle of its work; its log has why")
        try:
            if self._segment is None:
                self._number += 1
                self._segment = _OpenSegment(self._folder, f"{self._writer}-{self._number:06}")
            self._segment.append(encode_group(lines))
            failure = None
        except OSError as error:
            failure = _failure(error, self._folder)
            _LOG.error("events are not acknowledged: %s", failure)
            self._abandon()
        finally:
            with self._changed:
                self._pending_bytes -= sum(map(len, lines))
            for _, done in taken:
                if failure is None:
                    done.set_result(None)
                else:
                    done.set_exception(failure)

    def _abandon(self) -> None:
        """End a segment whose last write failed; the next events get a new one."""
        # After a failed fsync nobody knows what is on the disk; asking again would be answered too kindly.
        segment, self._segment = self._segment, None
        if segment is not None:
            try:
                segment.close()
            except OSError:
                _LOG.exception("segment %s is left open; the next compaction seals it", segment.path)

    def _rotate(self, *, closing: bool) -> None:
        segment = self._segment
        if segment is None:
            return
        old = time.monotonic() - segment.began_s > self._settings.max_segment_age_s
        large = segment.durable_bytes >= self._settings.max_segment_bytes
        if closing or old or large or rotation_asked_ns(self._folder) != segment.asked_ns:
            self._segment = None
            segment.close()


class _OpenSegment:
    """A segment that this process writes."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}{OPEN_SUFFIX}"
        self.began_s = time.monotonic()
        self.asked_ns = rotation_asked_ns(folder)
        aside = folder / f".{name}.new"
        # Its lock must be held before anybody takes it for a dead writer's.
        self._descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            _write_all(self._descriptor, HEADER)
            os.fsync(self._descriptor)
            aside.rename(self.path)
            sync_folder(folder)
        except OSError:
            os.close(self._descriptor)
            aside.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
            raise
        self.durable_bytes = len(HEADER)

    def append(self, group: bytes) -> None:
        """Write a group and make it durable; leaves nothing of it behind if that fails, as far as the disk lets it."""
        try:
            _write_all(self._descriptor, group)
            os.fdatasync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self.durable_bytes)
            raise
        self.durable_bytes += len(group)

    def close(self) -> None:
        """Seal the segment, or remove it if it is empty."""
        try:
            if self.durable_bytes == len(HEADER):
                self.path.unlink()
            else:
                seal(self.path)
        finally:
            os.close(self._descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _failure(error: OSError, folder: Path) -> JournalError:
    if error.errno in _FULL:
        return JournalFull(f"the disk of the journal {folder} is full; make room, then send the events again")
    return JournalFailed(f"the journal {folder} cannot be written: {error.strerror}; send the events again later")
