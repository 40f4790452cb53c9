"""`ruiji events`: look after the log of what people saw and did."""

from __future__ import annotations

import logging
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table as Shown

from ruiji_cli.console import ERR, OUT, bar, byte_bar
from ruiji_cli.days import days_before
from ruiji_cli.event_options import EventsRoot, JournalFolder, UnitKey, events_root, journal_folder, unit_key_file
from ruiji_cli.failures import UsageProblem
from ruiji_cli.options import DEFAULT_DATA, DataFolder

if TYPE_CHECKING:
    from ruiji_events.compaction import Compacted
    from ruiji_events.errors import PartitionDamaged

_LOG = logging.getLogger(__name__)

app = typer.Typer(
    no_args_is_help=True,
    help="Look after the log of impressions, taps and purchases.\n\n"
    "`ruiji serve --events FOLDER` writes what arrives into a journal; `ruiji events compact` makes Parquet partitions "
    "of it, FOLDER/impressions/date=2026-11-20/*.parquet and so on, which DuckDB and every other reader of Parquet "
    "can query. See docs/events.md.",
)


@app.command()
def status(data: DataFolder = DEFAULT_DATA, events: EventsRoot = None, journal: JournalFolder = None) -> None:
    """Show what there is of each table and what waits in the journal; fail if a file is damaged."""
    from ruiji_events.status import journal_status, table_status
    from ruiji_events.storage import EventFolder
    from ruiji_events.tables import Table

    root = events_root(data, events)
    folder = EventFolder(root)
    shown = Shown("table", "rows", "files", "first day", "last day")
    damaged: list[PartitionDamaged] = []
    for table in Table:
        found = table_status(folder, table)
        damaged += found.damaged
        days = [str(day) if day is not None else "" for day in (found.first_day, found.last_day)]
        shown.add_row(table, f"{found.rows:,}", f"{found.files:,}", *days)
    OUT.print(shown)
    waiting = journal_status(journal_folder(data, root, journal))
    OUT.print(
        f"journal: {waiting.open_segments} segments open, {waiting.sealed_segments} sealed, {waiting.bytes:,} bytes; "
        "`ruiji events compact` makes partitions of them"
    )
    if waiting.damaged_segments:
        ERR.print(f"{waiting.damaged_segments} damaged segments are kept in the journal's folder as *.damaged")
    for error in damaged:
        ERR.print(f"[bold red]damaged:[/] {error}", soft_wrap=True)
    if damaged:
        raise typer.Exit(1)


@app.command()
def compact(
    data: DataFolder = DEFAULT_DATA,
    events: EventsRoot = None,
    journal: JournalFolder = None,
    every: Annotated[float | None, typer.Option(min=1.0, help="Go on for ever: compact each so many seconds.")] = None,
    keep_days: Annotated[
        int | None, typer.Option(min=1, help="After that, remove partitions of days longer ago than this.")
    ] = None,
    salvage: Annotated[
        bool, typer.Option("--salvage", help="Take what can be read of damaged segments, and keep them as *.damaged.")
    ] = False,
) -> None:
    """Make partitions of the journal, each event exactly once; safe to interrupt and to repeat.

    Running servers hand over what they have. One such process a machine is enough, and only one works at a time.
    """
    from ruiji_events.compaction import compact as compact_journal
    from ruiji_events.errors import RuijiEventsError
    from ruiji_events.retention import trim as trim_partitions
    from ruiji_events.storage import EventFolder

    root = events_root(data, events)
    folder, journals = EventFolder(root), journal_folder(data, root, journal)

    def run() -> bool:
        with byte_bar("Compact", None) as advance:
            done = compact_journal(folder, journals, salvage=salvage, progress=advance)
        _report(done)
        if keep_days is not None:
            trim_partitions(folder, journals, days_before(keep_days))
        return not done.refused

    if every is None:
        if not run():
            raise typer.Exit(1)
        return
    while True:
        try:
            run()
        except RuijiEventsError as error:
            # The journal keeps what could not be written; the storage may be back by the next time.
            _LOG.warning("%s", error)
        time.sleep(every)


@app.command()
def trim(
    keep_days: Annotated[int, typer.Option(min=1, help="Days that stay, today not counted.")],
    data: DataFolder = DEFAULT_DATA,
    events: EventsRoot = None,
    journal: JournalFolder = None,
) -> None:
    """Remove the partitions of days longer ago than --keep-days, of all tables."""
    from ruiji_events.retention import trim as trim_partitions
    from ruiji_events.storage import EventFolder

    root = events_root(data, events)
    before = days_before(keep_days)
    with bar("Trim", None) as advance:
        removed = trim_partitions(EventFolder(root), journal_folder(data, root, journal), before, progress=advance)
    told = ", ".join(f"{days} of {table}" for table, days in removed.items() if days)
    OUT.print(f"days before {before} that were removed: {told or 'none'}")


@app.command()
def erase(
    unit: Annotated[
        str | None, typer.Option(help="Id of the user as in requests; asked for if neither is given.")
    ] = None,
    unit_hash: Annotated[str | None, typer.Option("--hash", help="Or its keyed hash, as in the tables.")] = None,
    data: DataFolder = DEFAULT_DATA,
    events: EventsRoot = None,
    journal: JournalFolder = None,
    unit_key: UnitKey = None,
) -> None:
    """Remove every event of one user from the journal and from all partitions.

    See first that no client still holds unsent events of this user: what arrives afterwards is taken as new.
    """
    from ruiji_events.erasing import erase_unit
    from ruiji_events.storage import EventFolder
    from ruiji_events.units import UnitHasher, read_key

    if unit is not None and unit_hash is not None:
        raise UsageProblem("give --unit or --hash, not both")
    if unit_hash is None:
        # Not made if it is missing: with a new key nobody is found.
        hasher = UnitHasher(read_key(unit_key_file(data, unit_key)))
        unit_hash = hasher.hash(unit or typer.prompt("id of the user", err=True))
    root = events_root(data, events)
    with bar("Erase", None) as advance:
        erased = erase_unit(EventFolder(root), journal_folder(data, root, journal), unit_hash, progress=advance)
    told = ", ".join(f"{rows:,} of {table}" for table, rows in erased.rows.items())
    OUT.print(f"erased from {erased.files} files: {told or 'nothing; there is no event of this user'}")


@app.command()
def export(
    table: Annotated[str, typer.Argument(help="impressions, taps, purchases or unknown.")],
    out: Annotated[
        Path, typer.Option(dir_okay=False, help="A .parquet, .jsonl or .csv file; replaced if it is there.")
    ],
    data: DataFolder = DEFAULT_DATA,
    events: EventsRoot = None,
    first: Annotated[str | None, typer.Option("--from", metavar="DATE", help="First day (UTC).")] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last day (UTC).")] = None,
) -> None:
    """Write the events of some days into one file, ordered by time."""
    from ruiji_events.export import export_table
    from ruiji_events.storage import EventFolder
    from ruiji_events.tables import Table

    if table not in set(Table):
        raise UsageProblem(f"there is no table {table!r}; there are {', '.join(Table)}")
    folder = EventFolder(events_root(data, events))
    rows = export_table(folder, Table(table), out, first=_day(first), last=_day(last))
    OUT.print(f"{rows:,} {table} in {out}", soft_wrap=True)


def _report(done: Compacted) -> None:
    written = ", ".join(f"{rows:,} {table}" for table, rows in done.rows.items())
    if done.segments or done.joined:
        OUT.print(
            f"{done.segments} segments: {written or 'nothing new'}; {done.duplicates:,} duplicates left out, "
            f"{done.joined:,} late ones joined",
            soft_wrap=True,
        )
    if done.torn_bytes:
        _LOG.info("%d bytes were not written to their end and had not been acknowledged", done.torn_bytes)
    if done.lost_bytes:
        _LOG.warning("%d damaged bytes of acknowledged events are lost", done.lost_bytes)
    if done.open_segments:
        _LOG.warning("a server did not hand over its segment in time; its events come with the next run")
    for error in done.refused.values():
        ERR.print(f"[bold red]error:[/] {error}", soft_wrap=True)


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageProblem(f"{text!r} is no day such as 2026-11-20") from error
