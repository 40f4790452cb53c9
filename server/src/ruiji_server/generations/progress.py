"""Telling how far long work is, and how long its stages took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class BuildProgress(Protocol):
    """Told how the work goes, for instance by drawing bars."""

    def stage(self, name: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Begin a stage of `total` steps; the context's value is told how many were done since its last call."""


class StageClock:
    """Passes progress on, and notes how long each stage took.

    Attributes:
        seconds: wall-clock time by name of the stage.
    """

    def __init__(self, progress: BuildProgress) -> None:
        self._progress = progress
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Begin a stage; see `BuildProgress`."""
        started = time.monotonic()
        with self._progress.stage(name, total) as advance:
            yield advance
        self.seconds[name] = round(time.monotonic() - started, 3)
