"""A real file system that is small enough to fill, and can be given more room."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class SmallDisk:
    """A tmpfs of its own. What does not fit gets the kernel's own ENOSPC."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def resize(self, size_bytes: int) -> None:
        """Give it another size, not below what is used."""
        subprocess.run(["mount", "-o", f"remount,size={size_bytes}", self.folder], check=True)

    def leave(self, free_bytes: int) -> None:
        """Shrink it until this much is free."""
        self.resize(self.used_bytes() + free_bytes)

    def used_bytes(self) -> int:
        """Return how much is used."""
        answer = subprocess.run(["df", "--output=used", "-B1", self.folder], check=True, capture_output=True, text=True)
        return int(answer.stdout.splitlines()[1])


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[SmallDisk]:
    """Mount a disk at a folder, or skip the test where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        # Lazily: a process that is still ending may have a file open.
        subprocess.run(["umount", "--lazy", folder], check=True)
