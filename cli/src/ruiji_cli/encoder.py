"""`ruiji encoder`: prepare pairs, fine-tune, project, export, and write Triton repositories."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ruiji_cli.console import OUT, bar, progress_bar
from ruiji_cli.encoder_finetune import finetune, training_task
from ruiji_cli.encoder_pairs import pairs
from ruiji_cli.encoder_pictures import (
    DEFAULT_WORK,
    GATE_PICTURES,
    Checkpoint,
    Pictures,
    Threads,
    WorkFolder,
    open_gate_pictures,
)
from ruiji_cli.encoder_precisions import precisions
from ruiji_cli.encoder_project import merge_parts, project
from ruiji_cli.encoder_tensorrt import tensorrt
from ruiji_cli.encoder_text import export_text

if TYPE_CHECKING:
    from ruiji_encoding.manifest import EncoderManifest, Precision

app = typer.Typer(
    help="Make encoders: prepare pairs, fine-tune, fit the projection, export behind a parity gate, write Triton "
    "repositories.\n\n"
    "The usual way: `pairs`, `finetune`, `project`, `export`, `repositories`. Pictures come from a set that `pairs` "
    "prepared or from a catalogue: a folder with `items.tsv` and `images/`, as the demo renders it. "
    "Training and exporting need torch: `pip install torch==2.13.0`, then "
    "`pip install 'ruiji[encoder]'`.",
    no_args_is_help=True,
)

Replace = Annotated[bool, typer.Option("--replace", help="Replace the encoder that is in the folder.")]

app.command("pairs")(pairs)
app.command("finetune")(finetune)
app.command("project")(project)
app.command("merge-parts")(merge_parts)
app.command("precisions")(precisions)
app.command("export-text")(export_text)
app.command("tensorrt")(tensorrt)


@app.command()
def export(
    checkpoint: Checkpoint,
    projection: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Made by `ruiji encoder project`.")],
    pictures: Pictures,
    out: Annotated[Path, typer.Option(help="Folder for model.onnx and encoder.json.")],
    name: Annotated[str, typer.Option(help="For people; the encoder id follows from the contents.")] = "siglip",
    precision: Annotated[str, typer.Option(help="fp32, fp16, bf16, int8 or int8-static.")] = "fp32",
    calibration: Annotated[
        int, typer.Option(min=1, help="Pictures that scales of int8-static are taken from, others than the gate's.")
    ] = 128,
    work: WorkFolder = DEFAULT_WORK,
    threads: Threads = 2,
    replace: Replace = False,
) -> None:
    """Export pixels -> unit vector as one ONNX graph; an export that misses its parity gate leaves nothing behind."""
    import torch
    from ruiji_encoder.checkpoints import load_vision_tower
    from ruiji_encoder.export import ExportSettings, export_encoder
    from ruiji_encoder.projection import load_projection

    torch.set_num_threads(threads)
    asked = _precision(precision)
    chosen = open_gate_pictures(pictures, work, threads, gate=GATE_PICTURES, calibration=calibration)
    settings = ExportSettings(
        name=name,
        checkpoint=checkpoint,
        precision=asked,
        gated_on=chosen.gate.described,
        calibrated_on=chosen.calibration.described,
        replace=replace,
    )
    manifest = export_encoder(
        out,
        load_vision_tower(checkpoint),
        load_projection(projection),
        chosen.gate.pixels,
        settings,
        calibration=chosen.calibration.pixels,
    )
    _show(manifest)


@app.command()
def repositories(
    encoder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of an exported encoder.")],
    out: Annotated[Path, typer.Option(help="Folder for `embedded/` and `container/`.")] = Path(
        "triton_models/repository"
    ),
    instances: Annotated[int, typer.Option(min=1, help="Copies of the encoder that work side by side.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="CPU cores for each.")] = 1,
) -> None:
    """Write an encoder's Triton repositories: one for the embedded server, one for NVIDIA's container."""
    from ruiji_triton.config import ModelSettings
    from ruiji_triton.repositories import write_repositories

    written = write_repositories(encoder, out, ModelSettings(instances=instances, intra_op_threads=threads))
    OUT.print(f"{written.encoder_id}: {written.embedded} and {written.container}", soft_wrap=True)


@app.command()
def show(
    encoder: Annotated[
        Path | None, typer.Argument(help="Folder of an exported encoder.  [default: the demo encoder]")
    ] = None,
) -> None:
    """Show what an encoder is, after checking its files."""
    from ruiji_demo.encoder import demo_encoder_folder
    from ruiji_encoding.manifest import read_manifest

    _show(read_manifest(encoder or demo_encoder_folder()))


@app.command("make-demo")
def make_demo(
    out: Annotated[Path, typer.Option(help="Folder for the encoder.")] = Path("demo/src/ruiji_demo/encoder"),
    work: WorkFolder = Path("build/demo-encoder"),
    items: Annotated[int, typer.Option(min=200, help="Pictures to render and train on.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the catalogue; the demo shows another one.")] = 1_001,
    threads: Threads = 1,
) -> None:
    """Make the encoder that ships with the demo: render, train from random weights, project, export."""
    from ruiji_demo.catalogue import render_catalogue
    from ruiji_encoder.demo_recipe import DemoSettings, make_demo_encoder

    catalogue = work / "catalogue"
    with bar("Render", items) as advance:
        render_catalogue(catalogue, items, seed, advance)
    with progress_bar() as progress:
        decoding = progress.add_task("Decode", total=items)
        manifest = make_demo_encoder(
            catalogue,
            out,
            work,
            DemoSettings(threads=threads, replace=True),
            decoded=lambda pictures: progress.advance(decoding, pictures),
            trained=training_task(progress),
        )
    _show(manifest)


def _precision(name: str) -> Precision:
    from ruiji_encoding.manifest import Precision

    from ruiji_cli.failures import UsageProblem

    try:
        return Precision(name)
    except ValueError as error:
        raise UsageProblem(f"--precision is {name!r}; there are {', '.join(Precision)}") from error


def _show(manifest: EncoderManifest) -> None:
    table = Table(show_header=False, box=None)
    table.add_row("encoder id", manifest.encoder_id)
    table.add_row("name", manifest.name)
    table.add_row("weights from", manifest.checkpoint)
    table.add_row("dimensions", f"{manifest.dimensions}, keeping {manifest.explained_variance:.1%} of the variance")
    table.add_row("projection fitted on", manifest.fitted_on)
    table.add_row("precision", str(manifest.precision))
    table.add_row(
        "parity", f"cosine at least {manifest.parity.min_cosine:.6f} over {manifest.parity.pictures} pictures"
    )
    if manifest.parity.measured_on:
        table.add_row("gate's pictures", manifest.parity.measured_on)
    if manifest.calibrated_on:
        table.add_row("calibrated on", manifest.calibrated_on)
    OUT.print(table)
