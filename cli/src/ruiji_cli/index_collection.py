"""`ruiji index gc`, and what is said of generations that went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from ruiji_cli.console import ERR, OUT
from ruiji_cli.index_options import Keep, KeepAge
from ruiji_cli.options import DEFAULT_DATA, DataFolder, GenerationsFolder, StoreUrl, generations_folder, store_url

if TYPE_CHECKING:
    from pathlib import Path

    from ruiji_server.generations.collection import Collection


def collect_old(
    data: DataFolder = DEFAULT_DATA,
    store: StoreUrl = None,
    generations: GenerationsFolder = None,
    keep: Keep = 3,
    keep_age: KeepAge = 0.0,
) -> None:
    """Remove old generations, all of retired encoders, and what builders left behind that were killed.

    The published ones stay unless their encoder is retired, and so do those that a process of this machine uses. The
    store says which encoders are retired; without it none counts as that.
    """
    from ruiji_server.generations.collection import KeepSettings, collect
    from ruiji_server.generations.directory import GenerationDirectory

    directory = GenerationDirectory(generations_folder(data, generations))
    retired = retired_encoders(data, store) or frozenset()
    collection = collect(directory, KeepSettings(keep, keep_age), retired=retired)
    report_collection(collection)
    if not collection.removed:
        OUT.print("nothing to collect")


def report_collection(collection: Collection) -> None:
    """Print what went, and what would have gone."""

    def named(generation_id: str) -> str:
        encoder_id = collection.retired.get(generation_id)
        return generation_id if encoder_id is None else f"{generation_id} (of {encoder_id}, which is retired)"

    if collection.removed:
        OUT.print(f"collected {', '.join(map(named, collection.removed))}: {collection.freed_bytes / 1e6:.1f} MB")
    for generation_id in collection.in_use:
        OUT.print(f"kept {named(generation_id)}, which another process uses")
    for generation_id in collection.young:
        OUT.print(f"kept {named(generation_id)}, which is younger than --keep-age")


def retired_encoders(data: Path, store: str | None) -> frozenset[str] | None:
    """Return the encoders that are retired, or None where that is not known: generations can be without their store."""
    from ruiji_server.domain.errors import Unavailable
    from ruiji_server.store.encoders import retired_encoder_ids
    from ruiji_server.store.engine import StoreError, open_database

    if store is None and not (data / "store.sqlite").exists():
        return None
    try:
        database = open_database(store_url(data, store))
        try:
            return retired_encoder_ids(database)
        finally:
            database.close()
    except (StoreError, Unavailable) as error:
        ERR.print(f"[yellow]warning:[/] which encoders are retired is not known: {escape(str(error))}")
        return None
