"""`ruiji encoder`: train, project, export, and write Triton repositories."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from ruiji_cli.console import OUT, bar, progress_bar

if TYPE_CHECKING:
    from ruiji_encoder.catalogue import FolderCatalogue
    from ruiji_encoder.training import TrainingProgress
    from ruiji_encoding.manifest import EncoderManifest, Precision

app = typer.Typer(
    help="Make encoders: train, fit the projection, export behind a parity gate, write Triton repositories.\n\n"
    "A catalogue is a folder with `items.tsv` and `images/`, as the demo renders it. The usual way: `project`, then "
    "`export`, then `repositories`. Training and exporting need torch: `pip install torch==2.13.0`, then "
    "`pip install 'ruiji[encoder]'`.",
    no_args_is_help=True,
)

Checkpoint = Annotated[
    str,
    typer.Argument(
        help="SigLIP checkpoint: a folder, or a hub name such as google/siglip-base-patch16-256-multilingual."
    ),
]
Catalogue = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder with items.tsv and images/.")]
WorkFolder = Annotated[
    Path, typer.Option("--work", help="Folder for decoded pictures and other things that are not shipped.")
]
Threads = Annotated[int, typer.Option(min=1, help="CPU cores to use.")]
Replace = Annotated[bool, typer.Option("--replace", help="Replace the encoder that is in the folder.")]

_DEFAULT_WORK = Path("build/encoder")
_PARITY_PICTURES = 128
_EMBED_AT_ONCE = 32


@app.command()
def train(
    checkpoint: Checkpoint,
    catalogue: Catalogue,
    out: Annotated[Path, typer.Option(help="Folder for the trained checkpoint.")],
    work: WorkFolder = _DEFAULT_WORK,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over all pairs.")] = 5,
    batch_size: Annotated[int, typer.Option(min=2, help="Pairs in a step; all the others are negatives.")] = 256,
    learning_rate: Annotated[float, typer.Option(min=0.0, help="At its highest.")] = 5e-5,
    seed: Annotated[int, typer.Option(min=0, help="Of order and augmentation.")] = 0,
    threads: Threads = 2,
) -> None:
    """Fine-tune a SigLIP checkpoint on picture-title pairs with the sigmoid loss."""
    import torch
    from ruiji_encoder.checkpoints import load_siglip, load_tokenizer
    from ruiji_encoder.training import TrainingSettings
    from ruiji_encoder.training import train as train_siglip

    torch.set_num_threads(threads)
    model, tokenizer = load_siglip(checkpoint), load_tokenizer(checkpoint)
    data = _decoded(catalogue, work, threads)
    settings = TrainingSettings(epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, seed=seed)
    with progress_bar() as progress:
        trained = _training_task(progress)
        losses = train_siglip(model, tokenizer, data, settings, progress=trained, checkpoint_folder=out)
    OUT.print(f"{out}: trained on {len(data)} pairs, loss {losses[0]:.3f} at first and {losses[-1]:.3f} at last")


@app.command()
def project(
    checkpoint: Checkpoint,
    catalogue: Catalogue,
    out: Annotated[Path, typer.Option(help="File to write, such as projection.npz.")],
    work: WorkFolder = _DEFAULT_WORK,
    dimensions: Annotated[int, typer.Option(min=2, help="Length of the embeddings.")] = 128,
    threads: Threads = 2,
) -> None:
    """Fit the projection: PCA over a catalogue's features, times a fixed rotation that int8 needs."""
    import torch
    from ruiji_encoder.checkpoints import load_vision_tower
    from ruiji_encoder.features import batches_of, fit_projection_to
    from ruiji_encoder.projection import save_projection

    torch.set_num_threads(threads)
    tower, data = load_vision_tower(checkpoint), _decoded(catalogue, work, threads)
    with bar("Embed", len(data)) as advance:
        projection = fit_projection_to(
            tower,
            batches_of(data, _EMBED_AT_ONCE),
            fitted_on=f"{len(data)} pictures of {catalogue.name}",
            dimensions=dimensions,
            progress=advance,
        )
    save_projection(out, projection)
    OUT.print(f"{out}: {dimensions} dimensions keep {projection.explained_variance:.1%} of the variance")


@app.command()
def export(
    checkpoint: Checkpoint,
    projection: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Made by `ruiji encoder project`.")],
    catalogue: Catalogue,
    out: Annotated[Path, typer.Option(help="Folder for model.onnx and encoder.json.")],
    name: Annotated[str, typer.Option(help="For people; the encoder id follows from the contents.")] = "siglip",
    precision: Annotated[str, typer.Option(help="fp32 or int8.")] = "fp32",
    work: WorkFolder = _DEFAULT_WORK,
    threads: Threads = 2,
    replace: Replace = False,
) -> None:
    """Export pixels -> unit vector as one ONNX graph; an export that misses its parity gate leaves nothing behind."""
    import numpy as np
    import torch
    from ruiji_encoder.checkpoints import load_vision_tower
    from ruiji_encoder.export import ExportSettings, export_encoder
    from ruiji_encoder.projection import load_projection

    torch.set_num_threads(threads)
    data = _decoded(catalogue, work, threads)
    rows = np.linspace(0, len(data) - 1, num=min(len(data), _PARITY_PICTURES), dtype=np.int64)
    settings = ExportSettings(name=name, checkpoint=checkpoint, precision=_precision(precision), replace=replace)
    manifest = export_encoder(
        out, load_vision_tower(checkpoint), load_projection(projection), data.pictures(rows), settings
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
    items: Annotated[int, typer.Option(min=200, help="Pictures to render and train on.")] = 8_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the catalogue; the demo shows another one.")] = 1_001,
    threads: Threads = 2,
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
            trained=_training_task(progress),
        )
    _show(manifest)


def _decoded(catalogue: Path, work: Path, threads: int) -> FolderCatalogue:
    from ruiji_encoder.catalogue import FolderCatalogue

    with bar("Decode", None) as advance:
        return FolderCatalogue(catalogue, cache=work / "pictures", threads=threads, progress=advance)


def _training_task(progress: Progress) -> Callable[[TrainingProgress], None]:
    task = progress.add_task("Train", total=None)

    def advance(at: TrainingProgress) -> None:
        what = f"Train, loss {at.loss:.3f}"
        progress.update(task, completed=at.step, total=at.total_steps, description=what)

    return advance


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
    OUT.print(table)
