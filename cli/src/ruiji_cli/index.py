"""`ruiji index`: build, verify and list generations."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ruiji_cli.console import ERR, OUT, StageBars
from ruiji_cli.options import (
    DEFAULT_DATA,
    DataFolder,
    EncoderId,
    GenerationsFolder,
    StoreUrl,
    generations_folder,
    only_encoder,
    store_url,
)

if TYPE_CHECKING:
    from ruiji_server.generations.builder import BuildSettings
    from ruiji_server.generations.manifest import GenerationManifest

app = typer.Typer(help="Build, verify and list generations: immutable indexes of the catalogue.", no_args_is_help=True)


@app.command()
def build(
    data: DataFolder = DEFAULT_DATA,
    store: StoreUrl = None,
    generations: GenerationsFolder = None,
    encoder_id: EncoderId = None,
    recall_target: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Recall at 20 that searches are set to reach.")
    ] = 0.95,
    recall_floor: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Below this recall at 20 the generation is not published.")
    ] = 0.85,
    connectivity: Annotated[int, typer.Option(min=4, max=128, help="Edges per node and level (M).")] = 16,
    expansion_add: Annotated[int, typer.Option(min=8, max=4096, help="Candidates while adding.")] = 128,
    every: Annotated[
        float | None,
        typer.Option(min=1.0, help="Go on for ever: look each so many seconds, build if the catalogue changed."),
    ] = None,
) -> None:
    """Build a generation from everything that is embedded, and publish it; running servers pick it up.

    The catalogue can be changed and served meanwhile.
    """
    from ruiji_server.generations.builder import BuildSettings, build_generation, is_behind
    from ruiji_server.generations.directory import GenerationDirectory
    from ruiji_server.index.usearch_index import HnswSettings
    from ruiji_server.store.encoders import registered_encoders
    from ruiji_server.store.engine import open_database

    database = open_database(store_url(data, store))
    directory = GenerationDirectory(generations_folder(data, generations))
    settings = BuildSettings(
        hnsw=HnswSettings(connectivity=connectivity, expansion_add=expansion_add),
        recall_target=recall_target,
        recall_floor=recall_floor,
    )

    while True:
        chosen = only_encoder(encoder_id, [known.encoder_id for known in registered_encoders(database)])
        if every is None or is_behind(database, chosen, directory):
            _report(build_generation(database, chosen, directory, settings, StageBars()), settings)
        if every is None:
            return
        time.sleep(every)


def _report(manifest: GenerationManifest, settings: BuildSettings) -> None:
    quality = manifest.quality
    if quality.recall_at_20 < settings.recall_target:
        ERR.print(
            f"[yellow]warning:[/] recall at 20 is {quality.recall_at_20:.3f}, below the target of "
            f"{settings.recall_target}, even at the widest search; raise --connectivity or --expansion-add"
        )
    OUT.print(
        f"published {manifest.generation_id}: {manifest.items} items, recall@20 {quality.recall_at_20:.3f} "
        f"at ef {manifest.expansion_search}, {quality.reachable_share:.2%} reachable, {quality.repaired} repaired"
    )


@app.command()
def verify(
    generation_id: Annotated[
        str | None, typer.Argument(metavar="[GENERATION]", help="Which one; the published one by default.")
    ] = None,
    data: DataFolder = DEFAULT_DATA,
    generations: GenerationsFolder = None,
) -> None:
    """Check a generation: every file against its checksum, recall against exact search, every item reachable."""
    import numpy as np
    from ruiji_server.generations.builder import BuildSettings
    from ruiji_server.generations.directory import GenerationDirectory
    from ruiji_server.generations.errors import NoGeneration
    from ruiji_server.generations.generation import open_generation
    from ruiji_server.generations.quality import recall_at_20, sample_with_truth, unreachable_rows

    directory = GenerationDirectory(generations_folder(data, generations))
    wanted = generation_id or directory.current_id()
    if wanted is None:
        raise NoGeneration(f"{directory.root} has no published generation; build one with `ruiji index build`")
    generation = open_generation(directory.folder(wanted))
    settings, embeddings = BuildSettings(), generation.columns.embeddings
    bars = StageBars()
    with bars.stage("Measure recall", 1) as advance:
        # Another sample than the build's, so that nothing was tuned on it.
        queries, truth = sample_with_truth(embeddings, settings.recall_sample, settings.seed + 1)
        recall = recall_at_20(generation.index, embeddings, queries, truth, settings.candidates)
        advance(1)
    rows = np.arange(len(embeddings), dtype=np.int64)
    with bars.stage("Sweep for lost items", len(rows)) as advance:
        lost = unreachable_rows(generation.index, embeddings, rows, settings.candidates, advance)
    manifest = generation.manifest
    table = Table("", "measured now", "when built", title=f"{wanted}: every checksum holds")
    table.add_row("recall@20", f"{recall:.4f}", f"{manifest.quality.recall_at_20:.4f}")
    table.add_row("reachable", f"{1 - len(lost) / len(rows):.4%}", f"{manifest.quality.reachable_share:.4%}")
    table.add_row("items", str(len(rows)), str(manifest.items))
    OUT.print(table)
    if recall < settings.recall_floor:
        ERR.print(f"[bold red]error:[/] recall is below the floor of {settings.recall_floor}; build a new generation")
        raise typer.Exit(1)


@app.command("list")
def list_generations(data: DataFolder = DEFAULT_DATA, generations: GenerationsFolder = None) -> None:
    """List the generations, newest first."""
    from ruiji_server.generations.directory import GenerationDirectory
    from ruiji_server.generations.manifest import read_manifest

    directory = GenerationDirectory(generations_folder(data, generations))
    current = directory.current_id()
    table = Table(caption="* is published")
    for heading in ("", "generation", "items", "encoder", "recall"):
        table.add_column(heading, no_wrap=True)
    for generation_id in directory.ids():
        manifest = read_manifest(directory.folder(generation_id))
        table.add_row(
            "*" if generation_id == current else "",
            generation_id,
            str(manifest.items),
            manifest.encoder_id,
            f"{manifest.quality.recall_at_20:.3f}",
        )
    OUT.print(table)
