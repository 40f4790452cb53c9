"""`ruiji index`: build, verify, list and collect generations."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from ruiji_cli.console import ERR, OUT, StageBars
from ruiji_cli.failures import UsageProblem
from ruiji_cli.index_travel import pull, push
from ruiji_cli.options import (
    DEFAULT_DATA,
    DataFolder,
    EncoderId,
    GenerationsFolder,
    StoreUrl,
    generations_folder,
    store_url,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ruiji_server.generations.builder import BuildSettings
    from ruiji_server.generations.collection import Collection
    from ruiji_server.generations.directory import GenerationDirectory
    from ruiji_server.generations.manifest import GenerationManifest
    from ruiji_server.generations.schedule import ChangeLimit
    from ruiji_server.generations.verification import Verification
    from ruiji_server.store.engine import Database

_LOG = logging.getLogger(__name__)
_EVERY_S = 5.0
_LONGEST_PAUSE_S = 3600.0

app = typer.Typer(
    help="Build, verify, list, collect and move generations: immutable indexes of the catalogue.", no_args_is_help=True
)
app.command("push")(push)
app.command("pull")(pull)

RecallFloor = Annotated[float, typer.Option(min=0.0, max=1.0, help="Least recall at 20 without a price band.")]
BandRecallFloor = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="Least recall at 20 in each price band that is measured.")
]
ReachableFloor = Annotated[float, typer.Option(min=0.0, max=1.0, help="Least share of the items that searches find.")]
Keep = Annotated[
    int,
    typer.Option(
        min=1, help="How many generations of each encoder stay, the published one included; none of a retired one."
    ),
]
KeepAge = Annotated[float, typer.Option(min=0.0, help="Generations younger than so many seconds stay in any case.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command()
def build(
    data: DataFolder = DEFAULT_DATA,
    store: StoreUrl = None,
    generations: GenerationsFolder = None,
    encoder_id: EncoderId = None,
    recall_target: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Recall at 20 that searches are set to reach, in every price band.")
    ] = 0.95,
    recall_floor: RecallFloor = 0.85,
    band_recall_floor: BandRecallFloor = 0.85,
    reachable_floor: ReachableFloor = 0.995,
    connectivity: Annotated[int, typer.Option(min=4, max=128, help="Edges per node and level (M).")] = 16,
    expansion_add: Annotated[int, typer.Option(min=8, max=4096, help="Candidates while adding.")] = 128,
    every: Annotated[
        float | None,
        typer.Option(min=1.0, help="Go on for ever: look each so many seconds, build if the catalogue changed."),
    ] = None,
    when_changed: Annotated[
        str | None,
        typer.Option(
            metavar="ITEMS|PERCENT",
            help="Go on for ever, and build only once so many items changed: 5000, or 2% of the generation. "
            "Looks each 5 seconds unless --every says otherwise.",
        ),
    ] = None,
    keep: Keep = 3,
    keep_age: KeepAge = 0.0,
) -> None:
    """Build a generation from everything that is embedded, and publish it; running servers pick it up.

    The catalogue can be changed and served meanwhile. A generation below one of its floors is not published, and the
    one before it goes on. After a build, old generations are collected as `ruiji index gc` does.
    """
    from ruiji_server.generations.builder import BuildSettings, build_generation
    from ruiji_server.generations.collection import KeepSettings, collect
    from ruiji_server.generations.directory import GenerationDirectory
    from ruiji_server.generations.schedule import ChangeLimit
    from ruiji_server.index.usearch_index import HnswSettings
    from ruiji_server.store.encoders import retired_encoder_ids
    from ruiji_server.store.engine import open_database

    try:
        limit = ChangeLimit() if when_changed is None else ChangeLimit.parse(when_changed)
    except ValueError as error:
        raise UsageProblem(f"--when-changed: {error}") from error
    database = open_database(store_url(data, store))
    directory = GenerationDirectory(generations_folder(data, generations))
    settings = BuildSettings(
        hnsw=HnswSettings(connectivity=connectivity, expansion_add=expansion_add),
        recall_target=recall_target,
        recall_floor=recall_floor,
        band_recall_floor=band_recall_floor,
        reachable_floor=reachable_floor,
    )

    def build_now(chosen: str) -> None:
        _report_build(build_generation(database, chosen, directory, settings, StageBars()), settings)
        retired = retired_encoder_ids(database)
        _report_collection(collect(directory, KeepSettings(keep, keep_age), retired=retired))

    if every is None and when_changed is None:
        for chosen in _encoders(database, encoder_id):
            build_now(chosen)
    else:
        _build_for_ever(database, encoder_id, directory, limit, every or _EVERY_S, build_now)


def _build_for_ever(
    database: Database,
    encoder_id: str | None,
    directory: GenerationDirectory,
    limit: ChangeLimit,
    every_s: float,
    build_now: Callable[[str], None],
) -> None:
    from ruiji_server.generations.errors import DirectoryBusy, GenerationError
    from ruiji_server.generations.schedule import Backoff, Schedule

    backoff = Backoff(first_s=every_s, most_s=_LONGEST_PAUSE_S)
    schedule = Schedule(database, directory, limit)
    while True:
        for chosen in _encoders(database, encoder_id):
            if backoff.is_pausing(chosen, time.monotonic()):
                continue
            try:
                if schedule.is_due(chosen):
                    build_now(chosen)
                backoff.succeeded(chosen)
            except DirectoryBusy as busy:
                _LOG.warning("%s", busy)
            except GenerationError as error:
                # Below a floor, or no room: the same would very likely happen again.
                pause_s = backoff.failed(chosen, time.monotonic())
                _LOG.error("%s; what was published before goes on, next try in %.0f s", error, pause_s)
        time.sleep(every_s)


def _encoders(database: Database, encoder_id: str | None) -> list[str]:
    """Return the encoder that was named, or all that are in use, the promoted one first."""
    from ruiji_server.store.encoders import active_encoders

    if encoder_id is not None:
        return [encoder_id]
    in_use = [known.encoder_id for known in active_encoders(database)]
    if not in_use:
        raise UsageProblem("no encoder is registered with the store yet; `ruiji encoder register` or a worker does it")
    return in_use


def _report_build(manifest: GenerationManifest, settings: BuildSettings) -> None:
    quality = manifest.quality
    worst = min(quality.recall_at_20, *(band.recall_at_20 for band in quality.bands), 1.0)
    if worst < settings.recall_target:
        ERR.print(
            f"[yellow]warning:[/] the lowest recall at 20 is {worst:.3f}, below the target of "
            f"{settings.recall_target}, even at the widest search; raise --connectivity or --expansion-add"
        )
    OUT.print(
        f"published {manifest.generation_id}: {manifest.items} items, recall@20 {quality.recall_at_20:.3f} "
        f"at ef {manifest.expansion_search}, {quality.reachable_share:.2%} reachable, {quality.repaired} repaired, "
        f"{sum(manifest.build_seconds.values()):.1f} s"
    )


def _report_collection(collection: Collection) -> None:
    def named(generation_id: str) -> str:
        encoder_id = collection.retired.get(generation_id)
        return generation_id if encoder_id is None else f"{generation_id} (of {encoder_id}, which is retired)"

    if collection.removed:
        OUT.print(f"collected {', '.join(map(named, collection.removed))}: {collection.freed_bytes / 1e6:.1f} MB")
    for generation_id in collection.in_use:
        OUT.print(f"kept {named(generation_id)}, which another process uses")
    for generation_id in collection.young:
        OUT.print(f"kept {named(generation_id)}, which is younger than --keep-age")


def _retired_encoders(data: Path, store: str | None) -> frozenset[str] | None:
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


@app.command()
def verify(
    generation_id: Annotated[
        str | None, typer.Argument(metavar="[GENERATION]", help="Which one; the published one by default.")
    ] = None,
    data: DataFolder = DEFAULT_DATA,
    generations: GenerationsFolder = None,
    encoder_id: EncoderId = None,
    recall_floor: RecallFloor = 0.85,
    band_recall_floor: BandRecallFloor = 0.85,
    reachable_floor: ReachableFloor = 0.995,
    as_json: AsJson = False,
) -> None:
    """Check a generation: every file against its checksum, recall against exact search, every item reachable.

    Measures on other items than the build did. Ends with exit code 1 if a checksum or a floor is broken.
    """
    from ruiji_server.generations.builder import BuildSettings
    from ruiji_server.generations.directory import GenerationDirectory
    from ruiji_server.generations.verification import verify_generation

    directory = GenerationDirectory(generations_folder(data, generations))
    settings = BuildSettings(
        recall_floor=recall_floor, band_recall_floor=band_recall_floor, reachable_floor=reachable_floor
    )
    found = verify_generation(directory, generation_id or directory.require(encoder_id), settings, StageBars())
    if as_json:
        built = asdict(found.manifest.quality)
        OUT.print_json(
            json.dumps(
                {
                    "generation_id": found.manifest.generation_id,
                    "encoder_id": found.manifest.encoder_id,
                    "items": found.manifest.items,
                    "expansion_search": found.manifest.expansion_search,
                    "measured": asdict(found.measured),
                    "when_built": built,
                    "build_seconds": dict(found.manifest.build_seconds),
                    "below_floor": list(found.shortfalls),
                }
            )
        )
    else:
        OUT.print(_quality_table(found))
    for shortfall in found.shortfalls:
        ERR.print(f"[bold red]error:[/] {shortfall}; build a new generation")
    if found.shortfalls:
        raise typer.Exit(1)


def _quality_table(found: Verification) -> Table:
    manifest, measured = found.manifest, found.measured
    built = manifest.quality
    table = Table("", "measured now", "when built", "queries", title=f"{manifest.generation_id}: every checksum holds")
    table.add_row(
        "recall@20", f"{measured.recall_at_20:.4f}", f"{built.recall_at_20:.4f}", str(measured.recall_queries)
    )
    when_built = {band.kept_share: f"{band.recall_at_20:.4f}" for band in built.bands}
    for band in measured.bands:
        table.add_row(
            f"recall@20, band of {band.kept_share:.1%}",
            f"{band.recall_at_20:.4f}",
            when_built.get(band.kept_share, "-"),
            str(band.queries),
        )
    table.add_row("reachable", f"{measured.reachable_share:.4%}", f"{built.reachable_share:.4%}", str(manifest.items))
    table.add_section()
    table.add_row("items", str(manifest.items), "", "")
    table.add_row("search breadth (ef)", str(manifest.expansion_search), f"target {manifest.recall_target}", "")
    table.add_row("build", "", f"{sum(manifest.build_seconds.values()):.1f} s", "")
    return table


@app.command("list")
def list_generations(
    data: DataFolder = DEFAULT_DATA,
    store: StoreUrl = None,
    generations: GenerationsFolder = None,
    as_json: AsJson = False,
) -> None:
    """List the generations, newest first."""
    from ruiji_server.generations.collection import listed
    from ruiji_server.generations.directory import GenerationDirectory

    found = listed(GenerationDirectory(generations_folder(data, generations)))
    retired = _retired_encoders(data, store)
    if as_json:
        OUT.print_json(
            json.dumps(
                [
                    {
                        "generation_id": each.generation_id,
                        "published": each.is_published,
                        "in_use": each.is_in_use,
                        "retired": None
                        if retired is None or each.manifest is None
                        else each.manifest.encoder_id in retired,
                        "problem": each.problem,
                        "manifest": None if each.manifest is None else asdict(each.manifest),
                    }
                    for each in found
                ]
            )
        )
        return
    table = Table(
        caption="* is published, u is used by a process of this machine, r is of a retired encoder",
        box=SIMPLE_HEAD,
        pad_edge=False,
        # Or ids would not fit into 80 columns.
        collapse_padding=True,
    )
    for heading in ("", "generation", "items", "encoder", "recall", "MB"):
        table.add_column(heading, no_wrap=True)
    for each in found:
        of_retired = retired is not None and each.manifest is not None and each.manifest.encoder_id in retired
        marks = ("*" if each.is_published else "") + ("u" if each.is_in_use else "") + ("r" if of_retired else "")
        if each.manifest is None:
            table.add_row(marks, each.generation_id, "", "damaged or of another release", "", "")
            continue
        table.add_row(
            marks,
            each.generation_id,
            str(each.manifest.items),
            each.manifest.encoder_id,
            f"{each.manifest.quality.recall_at_20:.3f}",
            f"{each.manifest.total_bytes / 1e6:.1f}",
        )
    OUT.print(table)


@app.command("gc")
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
    retired = _retired_encoders(data, store) or frozenset()
    collection = collect(directory, KeepSettings(keep, keep_age), retired=retired)
    _report_collection(collection)
    if not collection.removed:
        OUT.print("nothing to collect")
