"""What a supervisor owns on the machine: a private folder and the shared memory of its tritonserver.

Tritonserver leaves regions in /dev/shm when it is killed. Each supervisor gives its regions a prefix, the name of its
folder, and holds a lock on the folder. The kernel drops the lock when the last process that holds it is gone: then the
next supervisor to start removes folder and regions.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

logger = logging.getLogger(__name__)

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  (not a temporary file: where Linux keeps POSIX shared memory)
PREFIX = "ruiji-triton-"


class RuntimeFolder:
    """A locked private folder, and the shared memory regions that carry its name; a context manager.

    Attributes:
        path: the folder.
        lock_fd: file descriptor of the lock; a child that inherits it keeps folder and regions from being swept.
    """

    def __init__(self) -> None:
        # The lock comes before the name that a sweep looks for. systemd-tmpfiles spares locked folders too.
        unlocked = Path(tempfile.mkdtemp(prefix=".ruiji-triton-"))
        self.lock_fd = os.open(unlocked, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self.lock_fd, fcntl.LOCK_EX)
        self.path = unlocked.rename(unlocked.with_name(PREFIX + secrets.token_hex(8)))

    @property
    def region_prefix(self) -> str:
        """What the names of this folder's shared memory regions begin with."""
        return f"{self.path.name}-"

    def remove_regions(self) -> None:
        """Remove the regions; only when no process uses them."""
        _remove_regions(self.path.name)

    def __enter__(self) -> RuntimeFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.remove_regions()
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock_fd)


def sweep_abandoned() -> None:
    """Remove folders and regions of supervisors that ended without doing it, and whose tritonserver is gone too."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            # Another user's, or swept by another supervisor in this moment.
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            logger.info("removing what a supervisor left in %s", folder)
            _remove_regions(folder.name)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(descriptor)


def _remove_regions(folder_name: str) -> None:
    for region in SHARED_MEMORY.glob(f"{folder_name}-*"):
        region.unlink(missing_ok=True)
