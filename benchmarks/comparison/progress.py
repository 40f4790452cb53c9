"""What the one who waits sees: how far it is, how long it took, and what is being done.

While a server is under load nothing is drawn: a thread that draws would take the load generator's time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class Bar:
    """One bar, drawn when it is told something and never in between."""

    def __init__(self, progress: Progress, task: TaskID, title: str) -> None:
        self._progress = progress
        self._task = task
        self._title = title

    def tell(self, what: str) -> None:
        """Show what is being done."""
        self._progress.update(self._task, description=f"{self._title}: {what[:60]}", refresh=True)

    def advance(self, steps: int = 1) -> None:
        """Move on."""
        self._progress.update(self._task, advance=steps, refresh=True)

    def log(self, line: str) -> None:
        """Leave a line above the bar."""
        self._progress.console.print(line)


@contextmanager
def bar(console: Console, title: str, total: int) -> Iterator[Bar]:
    """Show a bar of `total` steps while the context lasts."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, auto_refresh=False) as progress:
        yield Bar(progress, progress.add_task(title, total=total), title)
