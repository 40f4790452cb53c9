"""`ruiji index build`: once, or for ever."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from ruiji_cli.console import ERR, OUT, StageBars
from ruiji_cli.failures import UsageProblem
from ruiji_cli.index_collection import report_collection
from ruiji_cli.index_options import BandRecallFloor, Keep, KeepAge, ReachableFloor, RecallFloor
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
    from ruiji_server.generations.builder import BuildSettings
    from ruiji_server.generations.manifest import GenerationManifest
    from ruiji_server.generations.quality import Quality
    from ruiji_server.store.engine import Database

_EVERY_S = 5.0
_LONGEST_PAUSE_S = 3600.0


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
    from ruiji_server.generations.periodic import Backoff, PeriodicBuilds
    from ruiji_server.generations.schedule import ChangeLimit, Schedule
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
        report_collection(collect(directory, KeepSettings(keep, keep_age), retired=retired))

    if every is None and when_changed is None:
        for chosen in _encoders(database, encoder_id):
            build_now(chosen)
        return
    every_s = every or _EVERY_S
    backoff = Backoff(first_s=every_s, most_s=_LONGEST_PAUSE_S)
    builds = PeriodicBuilds(Schedule(database, directory, limit), backoff, build_now)
    while True:
        builds.look(_encoders(database, encoder_id))
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


def _neighbours(quality: Quality) -> str:
    """Return what is said of the neighbour table, and nothing where there is none."""
    return (
        "" if quality.neighbours_recall is None else f"{quality.neighbours_recall:.1%} of the neighbours in the table, "
    )


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
        f"{_neighbours(quality)}{sum(manifest.build_seconds.values()):.1f} s"
    )
