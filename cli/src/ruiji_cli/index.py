"""`ruiji index`: build, verify, list and collect generations."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from ruiji_cli.console import ERR, OUT, StageBars
from ruiji_cli.index_build import build
from ruiji_cli.index_collection import collect_old, retired_encoders
from ruiji_cli.index_options import BandRecallFloor, ReachableFloor, RecallFloor
from ruiji_cli.index_travel import pull, push
from ruiji_cli.options import (
    DEFAULT_DATA,
    DataFolder,
    EncoderId,
    GenerationsFolder,
    StoreUrl,
    generations_folder,
)

if TYPE_CHECKING:
    from ruiji_server.generations.verification import Verification

app = typer.Typer(
    help="Build, verify, list, collect and move generations: immutable indexes of the catalogue.", no_args_is_help=True
)
app.command("build")(build)
app.command("gc")(collect_old)
app.command("push")(push)
app.command("pull")(pull)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


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
    if built.neighbours_recall is not None:
        table.add_row("neighbours in the table", "", f"{built.neighbours_recall:.4f}", "")
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
    retired = retired_encoders(data, store)
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
