"""`ruiji encoder`: prepare pairs, fine-tune, project, export, and write Triton repositories."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from ruiji_triton.cpu_engine import CpuEngine

from ruiji_cli.console import OUT, bar, progress_bar
from ruiji_cli.encoder_average import average
from ruiji_cli.encoder_export import export, show, show_manifest
from ruiji_cli.encoder_finetune import finetune, training_task
from ruiji_cli.encoder_pairs import pairs
from ruiji_cli.encoder_pictures import DEFAULT_WORK, GATE_PICTURES, Threads, WorkFolder, open_gate_pictures
from ruiji_cli.encoder_precisions import precisions
from ruiji_cli.encoder_project import merge_parts, project
from ruiji_cli.encoder_tensorrt import tensorrt
from ruiji_cli.encoder_text import export_text
from ruiji_cli.engines import EngineOption, check_chosen, rendered_pictures

app = typer.Typer(
    help="Make encoders: prepare pairs, fine-tune, fit the projection, export behind a parity gate, write Triton "
    "repositories. And replace the encoder of a running installation.\n\n"
    "The usual way: `pairs`, `finetune`, `project`, `export`, `repositories`. Pictures come from a set that `pairs` "
    "prepared or from a catalogue: a folder with `items.tsv` and `images/`, as the demo renders it. Of a prepared set, "
    "learning and fitting use the training side, choosing and gates the validation side; the test side is for figures. "
    "Training and exporting need torch: `pip install torch==2.13.0`, then "
    "`pip install 'ruiji[encoder]'`.",
    no_args_is_help=True,
)

_MAKING = "From pictures to an encoder, in this order"
_SHIPPING = "What an encoder is shipped as"


def repositories(
    encoder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of an exported encoder.")],
    out: Annotated[Path, typer.Option(help="Folder for `embedded/` and `container/`.")] = Path(
        "triton_models/repository"
    ),
    instances: Annotated[int, typer.Option(min=1, help="Copies of the encoder that work side by side.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="CPU cores for each.")] = 1,
    engine: EngineOption = CpuEngine.ONNXRUNTIME,
    pictures: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Made by `ruiji encoder pairs`, or a folder with items.tsv and images/: the engine's answers are "
            "compared on its validation side.  [default: rendered products]",
        ),
    ] = None,
    work: WorkFolder = DEFAULT_WORK,
) -> None:
    """Write an encoder's Triton repositories: one for the embedded server, one for NVIDIA's container.

    The container has engines of its own: `--engine` is for the embedded server, and is to be tried on the kind of
    processor that will serve.
    """
    from ruiji_triton.config import ModelSettings
    from ruiji_triton.repositories import write_repositories

    if engine is not CpuEngine.ONNXRUNTIME:
        if pictures is None:
            pixels = rendered_pictures(GATE_PICTURES)
        else:
            pixels = open_gate_pictures(pictures, work, threads, gate=GATE_PICTURES, calibration=0).gate.pixels
        check_chosen(engine, encoder, pixels, threads=threads)
    settings = ModelSettings(instances=instances, intra_op_threads=threads, cpu_engine=engine)
    written = write_repositories(encoder, out, settings)
    OUT.print(f"{written.encoder_id}: {written.embedded} and {written.container}", soft_wrap=True)


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
    show_manifest(manifest)


app.command("pairs", rich_help_panel=_MAKING)(pairs)
app.command("finetune", rich_help_panel=_MAKING)(finetune)
app.command("average", rich_help_panel=_MAKING)(average)
app.command("project", rich_help_panel=_MAKING)(project)
app.command("merge-parts", rich_help_panel=_MAKING)(merge_parts)
app.command("precisions", rich_help_panel=_MAKING)(precisions)
app.command("export", rich_help_panel=_MAKING)(export)
app.command("export-text", rich_help_panel=_MAKING)(export_text)
app.command("repositories", rich_help_panel=_SHIPPING)(repositories)
app.command("tensorrt", rich_help_panel=_SHIPPING)(tensorrt)
app.command("show", rich_help_panel=_SHIPPING)(show)
app.command("make-demo", rich_help_panel=_SHIPPING)(make_demo)
