"""The long form of the crash drill.

    python -m tests.drills.run --kills 300 --seed 1 --store both --report drill.md

Runs a whole installation, lets writers and readers work, and kills its processes one after the other at random moments.
After each kill every acknowledged item is read back, and pages are compared with those of a clean rebuild. Ends with
status 1 if anything was lost or different.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tests.drills.drill import Death, Drill, Outcome, kinds_for
from tests.drills.installation import run_installation
from tests.drills.report import page_of, table_of
from tests.support.postgresql import run_postgresql

STORES = {"sqlite": ["sqlite"], "postgresql": ["postgresql"], "both": ["sqlite", "postgresql"]}


def main() -> None:
    """Run the drill."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300, help="kills in all, shared by the stores (default: 300)")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is left to chance (default: 0)")
    parser.add_argument("--store", choices=STORES, default="both", help="where items are kept (default: both)")
    parser.add_argument("--workers", type=int, default=2, help="serving processes (default: 2)")
    parser.add_argument("--report", type=Path, default=Path("drill.md"), help="Markdown page to write")
    parser.add_argument("--keep", type=Path, help="folder that keeps data and logs; a temporary one by default")
    arguments = parser.parse_args()
    # Or the installation's processes would outlive a drill that is told to end.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))
    console = Console()
    stores = STORES[arguments.store]
    outcomes: list[Outcome] = []

    def report(outcome: Outcome) -> None:
        # After each kill, so that an interrupted drill leaves what it found.
        arguments.report.write_text(page_of([*outcomes, outcome]), encoding="utf-8")

    for number, store in enumerate(stores):
        kills = arguments.kills // len(stores) + (number < arguments.kills % len(stores))
        plan = Plan(store, kills, arguments.seed + number, arguments.workers, arguments.keep)
        outcome = run_drill(plan, console, report)
        report(outcome)
        outcomes.append(outcome)
        console.print(table_of(outcome))
    wrong = [what for outcome in outcomes for what in outcome.wrong]
    for what in wrong:
        console.print(what, style="red", markup=False)
    sys.exit(1 if wrong else 0)


@dataclass(frozen=True)
class Plan:
    """One drill."""

    store: str
    kills: int
    seed: int
    workers: int
    """Serving processes."""
    keep: Path | None
    """Folder for data and logs; None for a temporary one."""


def run_drill(plan: Plan, console: Console, report: Callable[[Outcome], None]) -> Outcome:
    """Drill an installation on one store; `report` is told after each kill."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with ExitStack() as stack:
        folder = plan.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ruiji-drill-")))
        postgresql = stack.enter_context(run_postgresql(fsync=True)) if plan.store == "postgresql" else None
        installation = stack.enter_context(
            run_installation(folder / plan.store, postgresql, server_workers=plan.workers)
        )
        drill = stack.enter_context(Drill(installation, plan.seed))
        progress = stack.enter_context(Progress(*columns, console=console))
        task = progress.add_task(f"{plan.store}: starting", total=plan.kills)

        def died(death: Death) -> None:
            progress.update(task, advance=1, description=f"{plan.store}: {death.kind} back after {death.back_s:.1f} s")
            report(drill.outcome)
            for what in death.wrong:
                progress.console.print(what[:2_000], style="red", markup=False)

        try:
            drill.prepare()
            outcome = drill.run(kinds_for(installation, plan.kills, plan.seed), died)
            progress.update(task, description=f"{plan.store}: waiting for the last embeddings")
            drill.drain()
        except TimeoutError:
            console.print(installation.outputs(), markup=False)
            raise
        return outcome


if __name__ == "__main__":
    main()
