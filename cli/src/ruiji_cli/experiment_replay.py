"""`ruiji experiment replay`: what another ranking would have done to CTR, from logged pages with a part of chance."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ruiji_cli.console import ERR, OUT
from ruiji_cli.event_options import EventsRoot, events_root
from ruiji_cli.options import DEFAULT_DATA, DataFolder

if TYPE_CHECKING:
    from ruiji_experiments.replay.replaying import Replay

app = typer.Typer()


@app.command()
def replay(
    category_weight: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Of the other ranking: 0 orders by cosine alone, 1 by category.")
    ],
    data: DataFolder = DEFAULT_DATA,
    events: EventsRoot = None,
    max_price_ratio: Annotated[
        float | None, typer.Option(min=1.0, help="Of the other ranking: drops items beyond it.  [default: none]")
    ] = None,
    positions: Annotated[int, typer.Option(min=1, help="Judge the first so many of each page.")] = 5,
    start: Annotated[datetime | None, typer.Option(help="First moment, UTC.  [default: the log's]")] = None,
    end: Annotated[datetime | None, typer.Option(help="First moment after it, UTC.")] = None,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.9999, help="Of intervals.")] = 0.95,
) -> None:
    """Estimate the CTR of the first positions under other ranking settings, without serving them.

    Needs pages that the server logged with propensities: a share of requests whose order was shuffled by a known
    chance. The items of each page are put into the other order; what was never shown is out of reach. Refuses to
    answer where the log's chance never, or too rarely, did what the other ranking would do.
    """
    from ruiji_experiments.replay.logged import read_pages
    from ruiji_experiments.replay.replaying import ReplaySettings
    from ruiji_experiments.replay.replaying import replay as replayed
    from ruiji_experiments.replay.target import TargetPolicy

    with ERR.status("Reading pages"):
        pages, left_out = read_pages(events_root(data, events), start=_utc(start), end=_utc(end))
    for reason, number in left_out.items():
        if number:
            ERR.print(f"left out: {number:,} x {reason}", highlight=False)
    with ERR.status("Estimating"):
        target = TargetPolicy(category_weight, max_price_ratio).positions(pages)
        found = replayed(pages, target, ReplaySettings(positions=positions, confidence=confidence))
    OUT.print(_table(found))
    OUT.print(
        f"{found.pages:,} pages of {found.units:,} units; {found.effective_places:,.0f} effective places; mean weight "
        f"{found.supported:.3f} (1 is full support); {found.empty:.1%} of the places empty",
        soft_wrap=True,
    )


def _table(found: Replay) -> Table:
    table = Table("estimate", f"CTR of the first {found.positions}", "interval", "against the log", "interval")
    table.add_row("as logged", f"{found.logged.value:.3%}", f"{found.logged.low:.3%} to {found.logged.high:.3%}")
    for name, one in found.estimates.items():
        table.add_row(
            name,
            f"{one.value:.3%}",
            f"{one.low:.3%} to {one.high:.3%}",
            f"{one.difference / found.logged.value:+.1%}",
            f"{one.difference_low / found.logged.value:+.1%} to {one.difference_high / found.logged.value:+.1%}",
        )
    known = " and ".join(("position", *found.model_features))
    table.caption = f"DR's model knows {known}"
    return table


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=moment.tzinfo or UTC)
