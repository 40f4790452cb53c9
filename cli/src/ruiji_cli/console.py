"""Where the command talks to people: results on standard output, everything else on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from ruiji_cli.logs import start_logging

OUT = Console()
"""Results: what a script would read."""
ERR = Console(stderr=True)
"""Progress, warnings, errors."""


def set_up_logging(*, verbose: bool) -> None:
    """Send log records to standard error, through the console that draws the progress bars."""
    handler = RichHandler(console=ERR, show_path=False, markup=False, log_time_format="%H:%M:%S")
    start_logging(handler, verbose=verbose)


def progress_bar() -> Progress:
    """Return a display for one or more bars."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description:<22}"),
        BarColumn(bar_width=32),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=ERR,
    )


@contextmanager
def bar(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Draw one bar; yield what it is told about steps done."""
    with progress_bar() as progress:
        task = progress.add_task(description, total=total)
        yield lambda steps: progress.advance(task, steps)


@contextmanager
def byte_bar(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Draw one bar in kB, MB or GB, as large as they are; yield what it is told about bytes done.

    Args:
        description: of what is done.
        total: bytes; None if nobody knows.
    """
    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(bar_width=32),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=ERR) as progress:
        task = progress.add_task(description, total=total)
        yield lambda count: progress.advance(task, count)


class StageBars:
    """A bar for each stage of a build, one after the other; see `generations.builder.BuildProgress`."""

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Draw one stage."""
        with bar(name, total) as advance:
            yield advance
