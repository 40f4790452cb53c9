"""How long work tells what it does. Libraries draw nothing; the command line draws bars."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Stages(Protocol):
    """Told of each stage of a run, one after the other."""

    def stage(self, name: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Open a stage of `total` steps; what it yields is told the number of steps done since the last call."""
        ...


class NoStages:
    """For callers that do not watch."""

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:  # noqa: ARG002  (the protocol's names)
        """Open a stage that nobody watches."""
        yield lambda _steps: None
