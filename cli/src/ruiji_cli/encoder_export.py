"""`ruiji encoder export` and `show`: the picture encoder's artefact."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ruiji_cli.console import OUT
from ruiji_cli.encoder_pictures import (
    DEFAULT_WORK,
    GATE_PICTURES,
    Checkpoint,
    Pictures,
    Threads,
    WorkFolder,
    open_gate_pictures,
)
from ruiji_cli.failures import UsageProblem

if TYPE_CHECKING:
    from ruiji_encoding.manifest import EncoderManifest, Precision


def export(
    checkpoint: Checkpoint,
    projection: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Made by `ruiji encoder project`.")],
    pictures: Pictures,
    out: Annotated[Path, typer.Option(help="Folder for model.onnx and encoder.json.")],
    name: Annotated[str, typer.Option(help="For people; the encoder id follows from the contents.")] = "siglip",
    precision: Annotated[
        str,
        typer.Option(
            help="Of the tower's products: fp32, fp16, bf16, int8 (scales from each batch; not for backbones of "
            "convolutions) or int8-static (scales and biases calibrated on pictures)."
        ),
    ] = "fp32",
    calibration: Annotated[
        int,
        typer.Option(min=1, help="Pictures of the training side that int8-static is calibrated on, at most."),
    ] = 128,
    work: WorkFolder = DEFAULT_WORK,
    threads: Threads = 2,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the encoder that is in the folder.")] = False,
) -> None:
    """Export the picture encoder: one ONNX graph from pixels to unit vector, with `encoder.json` beside it.

    Such as `ruiji encoder export run/best projection.npz pairs --out encoder`. On pictures of the validation side the
    graph must come close to PyTorch in fp32 (cosine, and the ten nearest neighbours); one that does not leaves nothing
    behind. A catalogue has no sides: some of its pictures are held back for that.
    `ruiji encoder precisions` shows beforehand what each precision costs.
    """
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
    show_manifest(manifest)


def show(
    encoder: Annotated[
        Path | None, typer.Argument(help="Folder of an exported encoder.  [default: the demo encoder]")
    ] = None,
) -> None:
    """Show what an encoder is, after checking its files."""
    from ruiji_demo.encoder import demo_encoder_folder
    from ruiji_encoding.manifest import read_manifest

    show_manifest(read_manifest(encoder or demo_encoder_folder()))


def show_manifest(manifest: EncoderManifest) -> None:
    """Print what stands in `encoder.json`, as far as people ask for it."""
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


def _precision(name: str) -> Precision:
    from ruiji_encoding.manifest import Precision

    try:
        return Precision(name)
    except ValueError as error:
        raise UsageProblem(f"--precision is {name!r}; there are {', '.join(Precision)}") from error
