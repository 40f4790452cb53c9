"""`ruiji store`: look after the item store."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from ruiji_cli.console import ERR, OUT, bar
from ruiji_cli.failures import UsageProblem
from ruiji_cli.options import (
    DEFAULT_DATA,
    DataFolder,
    GenerationsFolder,
    StoreUrl,
    generations_folder,
    store_url,
)

app = typer.Typer(help="Look after the item store: upgrade it, trim its change feed.", no_args_is_help=True)


@app.command()
def upgrade(data: DataFolder = DEFAULT_DATA, store: StoreUrl = None) -> None:
    """Bring the tables of an older release's store up to date.

    Stop every process that uses the store first, and make a backup: there is no other way back. It happens in one
    transaction, so that a failure leaves everything as it was.
    """
    from ruiji_server.store.engine import upgrade_store

    with ERR.status("Upgrading the store"):
        before, now = upgrade_store(store_url(data, store))
    if before == now:
        OUT.print(f"the store has schema revision {now} already; nothing was done")
    else:
        OUT.print(f"the store was brought from schema revision {before} to {now}")


@app.command()
def status(data: DataFolder = DEFAULT_DATA, store: StoreUrl = None) -> None:
    """Show how many items there are, and what there is of the change feed."""
    from ruiji_server.store.catalogue import CatalogueStore
    from ruiji_server.store.engine import open_database
    from ruiji_server.store.feed_trim import feed_extent
    from ruiji_server.store.schema import SCHEMA_REVISION

    database = open_database(store_url(data, store))
    extent = feed_extent(database)
    table = Table("", "", show_header=False)
    table.add_row("schema revision", SCHEMA_REVISION)
    table.add_row("items", f"{CatalogueStore(database).count():,}")
    table.add_row("feed: newest position", f"{extent.last_position:,}")
    table.add_row("feed: trimmed up to", f"{extent.trimmed_to:,}")
    table.add_row("feed: entries", f"{extent.entries:,}")
    OUT.print(table)


@app.command()
def trim(
    data: DataFolder = DEFAULT_DATA,
    store: StoreUrl = None,
    generations: GenerationsFolder = None,
    older_than: Annotated[
        float, typer.Option("--older-than", min=0.0, help="Seconds; younger changes stay in any case.")
    ] = 86_400.0,
    below: Annotated[
        int | None,
        typer.Option(min=0, help="Keep this feed position too: the lowest of generations in folders elsewhere."),
    ] = None,
) -> None:
    """Take away changes that every generation has taken in, so that the feed does not grow for ever.

    Nothing at or above the lowest feed position of the generations in the folder goes, kept old ones included. Where
    other machines have folders of their own, let --older-than be longer than their oldest generation, or give --below.
    A server that comes back from further behind is refused with a message, and needs a newer generation.
    """
    from ruiji_server.generations.directory import GenerationDirectory
    from ruiji_server.generations.positions import lowest_feed_position
    from ruiji_server.store.encoders import active_encoders
    from ruiji_server.store.engine import open_database
    from ruiji_server.store.feed_trim import trim_feed

    database = open_database(store_url(data, store))
    directory = GenerationDirectory(generations_folder(data, generations))
    needed = lowest_feed_position(directory, {encoder.encoder_id for encoder in active_encoders(database)})
    if needed is None:
        raise UsageProblem(
            f"{directory.root} has no generation of an encoder in use, so nothing says what may go; build one with "
            "`ruiji index build`"
        )
    lowest = needed if below is None else min(needed, below)
    with bar("Trim", None) as advance:
        taken = trim_feed(database, lowest, older_than, advance)
    OUT.print(f"{taken:,} changes below position {lowest:,} were taken away")
