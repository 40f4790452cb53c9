"""`ruiji eval events`: which encoder would have served yesterday's requests better."""

from __future__ import annotations

import statistics
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ruiji_cli.console import StageBars
from ruiji_cli.days import days_before
from ruiji_cli.evaluate import show_evaluation
from ruiji_cli.event_options import EventsRoot, events_root
from ruiji_cli.failures import UsageProblem
from ruiji_cli.options import DEFAULT_DATA, DataFolder, StoreUrl, store_url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ruiji_evaluation.catalogue import Item
    from ruiji_evaluation.logs.stored import StoredEncoder
    from ruiji_server.domain.items import Item as Listing
    from ruiji_server.store.encoders import RegisteredEncoder
    from ruiji_server.store.engine import Database


def events(
    data: DataFolder = DEFAULT_DATA,
    store: StoreUrl = None,
    events: EventsRoot = None,
    day: Annotated[
        str, typer.Option(metavar="yesterday|DATE", help="Day of the requests (UTC), such as 2026-11-20.")
    ] = "yesterday",
    days: Annotated[int, typer.Option(min=1, help="How many days, ending with that one.")] = 1,
    baseline: Annotated[
        str | None, typer.Option(metavar="ENCODER_ID", help="Compare with it.  [default: the promoted encoder]")
    ] = None,
    max_unknown: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Refuse a log with a larger share of items that are unknown.")
    ] = 0.1,
    min_slice: Annotated[int, typer.Option(min=2, help="Smallest number of requests that is reported apart.")] = 30,
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("build/evaluation/events"),
) -> None:
    """Put every list that was shown into the order of each registered encoder and judge by what was tapped.

    Reads the partitions that `ruiji events compact` made, and the embeddings that the store has: nothing is embedded
    again, so that an encoder is compared before it answers a single request. Run it every morning.
    """
    from ruiji_evaluation.logs.judging import Judging
    from ruiji_evaluation.logs.partitions import read_partitions
    from ruiji_evaluation.logs.stored import PAPER_MEASURES, evaluate_stored, mentioned_items
    from ruiji_evaluation.slices import SliceSettings
    from ruiji_events.storage import EventFolder
    from ruiji_server.store.encoders import active_encoders
    from ruiji_server.store.engine import open_database
    from ruiji_server.store.lookups import listings

    root = events_root(data, events)
    last = _day(day)
    first = last - timedelta(days=days - 1)
    database = open_database(store_url(data, store))
    try:
        registered = active_encoders(database)
        if not registered:
            raise UsageProblem("the store has no encoder in use; `ruiji encoder register` registers one")
        logged = read_partitions(EventFolder(root), first, last)
        needed = mentioned_items(logged.requests)
        encoders = _stored_encoders(database, registered, needed)
        names = {encoder.encoder_id: one.name for encoder, one in zip(registered, encoders, strict=True)}
        if baseline is not None and baseline not in names:
            raise UsageProblem(f"--baseline {baseline} is not in use; those that are: {', '.join(names)}")
        evaluation = evaluate_stored(
            logged,
            _items(listings(database, needed)),
            encoders,
            Judging(
                title=f"Encoders on the requests of {first if first == last else f'{first} to {last}'}",
                # The promoted encoder comes first.
                baseline=names[baseline] if baseline is not None else encoders[0].name,
                measures=PAPER_MEASURES,
                slices=SliceSettings(min_queries=min_slice),
            ),
            log=root,
            max_unknown_share=max_unknown,
            stages=StageBars(),
        )
        show_evaluation(evaluation, _StoredPictures(database), out)
    finally:
        database.close()


def _day(text: str) -> date:
    if text == "yesterday":
        return days_before(1)
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageProblem(f"--day {text!r} is neither `yesterday` nor a day such as 2026-11-20") from error


def _stored_encoders(
    database: Database, registered: Sequence[RegisteredEncoder], item_ids: Sequence[str]
) -> list[StoredEncoder]:
    from ruiji_evaluation.logs.stored import StoredEncoder
    from ruiji_server.store.lookups import vectors_of

    times = Counter(encoder.name for encoder in registered)
    return [
        StoredEncoder(
            # Exports of one encoder in two precisions have one name.
            name=encoder.name if times[encoder.name] == 1 else f"{encoder.name} ({encoder.encoder_id})",
            description=f"{encoder.encoder_id}, {encoder.state}",
            vectors=vectors_of(database, encoder.encoder_id, item_ids),
        )
        for encoder in registered
    ]


def _items(listed: Mapping[str, Listing]) -> dict[str, Item]:
    """Return listings as evaluation's items. Prices of another currency than most have count as none."""
    from ruiji_evaluation.catalogue import Item
    from ruiji_server.domain.currencies import MINOR_UNIT_DIGITS

    common = statistics.mode(listing.price.currency for listing in listed.values()) if listed else ""
    minor_units = 10 ** MINOR_UNIT_DIGITS.get(common, 0)
    return {
        item_id: Item(
            item_id=item_id,
            title=listing.title,
            category=listing.category_path,
            price=listing.price.amount_minor / minor_units if listing.price.currency == common else None,
            listed=None,
            picture=item_id,
            attributes={},
        )
        for item_id, listing in listed.items()
    }


class _StoredPictures:
    """Pictures by item id, of items whose picture the store itself has."""

    def __init__(self, database: Database) -> None:
        from ruiji_server.store.catalogue import CatalogueStore

        self._store = CatalogueStore(database)

    def read(self, name: str) -> bytes | None:
        from ruiji_server.domain.items import PictureContent

        stored = self._store.get(name, include_picture=True)
        picture = None if stored is None else stored.item.picture
        return picture.content if isinstance(picture, PictureContent) else None
