"""What a drill found, as a table and as a page."""

from __future__ import annotations

import platform
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
import psutil
from rich.table import Table

from tests.drills.drill import Death, Outcome

COLUMNS = ("killed", "times", "lost items", "other findings", "back after, median", "longest")


@dataclass(frozen=True)
class Row:
    """All deaths of one kind."""

    kind: str
    times: int
    lost: int
    other: int
    median_s: float
    longest_s: float

    @property
    def cells(self) -> tuple[str, ...]:
        """As they are printed."""
        return (
            self.kind, str(self.times), str(self.lost), str(self.other),
            f"{self.median_s:.1f} s", f"{self.longest_s:.1f} s",
        )  # fmt: skip


def rows_of(outcome: Outcome) -> list[Row]:
    """Return a row for each kind of death, and one for all."""
    by_kind: dict[str, list[Death]] = defaultdict(list)
    for death in outcome.deaths:
        by_kind[death.kind].append(death)
    return [_row(kind, deaths) for kind, deaths in sorted(by_kind.items())] + [_row("all", outcome.deaths)]


def table_of(outcome: Outcome) -> Table:
    """Return the drill as a table for a terminal."""
    table = Table(*COLUMNS, title=f"{outcome.store}, seed {outcome.seed}", caption=_summary(outcome))
    for row in rows_of(outcome):
        table.add_row(*row.cells)
    return table


def page_of(outcomes: Sequence[Outcome]) -> str:
    """Return drills as a Markdown page."""
    memory_gib = psutil.virtual_memory().total / 2**30
    lines = [
        "# Crash drill",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {psutil.cpu_count()} cores, {memory_gib:.0f} GiB, "
        f"{platform.platform()}, Python {platform.python_version()}, ruiji {version('ruiji')}. "
        f"Command: `python -m tests.drills.run --kills {sum(len(outcome.deaths) for outcome in outcomes)}`.",
    ]
    for outcome in outcomes:
        lines += ["", f"## {outcome.store}, seed {outcome.seed}", "", _line(COLUMNS), _line(["---"] * len(COLUMNS))]
        lines += [_line(row.cells) for row in rows_of(outcome)]
        lines += ["", _summary(outcome)]
        lines += ["", *(f"- {what[:500]}" for what in outcome.wrong[:50])] if outcome.wrong else []
    return "\n".join(lines) + "\n"


def _row(kind: str, deaths: Sequence[Death]) -> Row:
    back_s = [death.back_s for death in deaths]
    lost = sum(death.lost for death in deaths)
    return Row(
        kind,
        len(deaths),
        lost,
        sum(len(death.wrong) for death in deaths) - lost,
        float(np.median(back_s)),
        max(back_s, default=0.0),
    )


def _summary(outcome: Outcome) -> str:
    ends = ", ".join(f"{name} {count}" for name, count in outcome.own_ends.items() if count) or "none"
    return (
        f"{outcome.acknowledged_requests} writes of {outcome.acknowledged_items} items acknowledged, "
        f"{outcome.answered_pages} pages served meanwhile; "
        f"{sum(death.items for death in outcome.deaths)} items compared with the books, "
        f"{sum(death.pages for death in outcome.deaths)} pages with a clean rebuild; "
        f"{sum(death.unanswered for death in outcome.deaths)} writes never answered, "
        f"{sum(death.applied for death in outcome.deaths)} of them applied all the same; "
        f"{len(outcome.never_embedded)} items left without embedding; ended by themselves: {ends}."
    )


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
