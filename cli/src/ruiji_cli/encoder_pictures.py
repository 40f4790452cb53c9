"""What the commands that read pictures share: their options, and how a folder of pictures is opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ruiji_cli.console import bar

if TYPE_CHECKING:
    from ruiji_encoder.catalogue import CaptionedPictures
    from ruiji_encoder.gate_pictures import GatePictures
    from ruiji_encoder.pairs.splitting import Side
    from ruiji_encoder.training.batches import TrainingData

Checkpoint = Annotated[
    str,
    typer.Argument(
        help="SigLIP checkpoint: a folder, or a hub name such as google/siglip-base-patch16-256-multilingual."
    ),
]
Pictures = Annotated[
    Path,
    typer.Argument(
        exists=True, file_okay=False, help="Made by `ruiji encoder pairs`, or a folder with items.tsv and images/."
    ),
]
WorkFolder = Annotated[
    Path, typer.Option("--work", help="Folder for decoded pictures and other things that are not shipped.")
]
Threads = Annotated[int, typer.Option(min=1, help="CPU cores to use.")]

DEFAULT_WORK = Path("build/encoder")

GATE_PICTURES = 128
"""That stand before a gate, at most."""


def open_pictures(folder: Path, work: Path, threads: int, *, side: Side | None = None) -> CaptionedPictures:
    """Open a prepared set, or decode a catalogue into the work folder.

    Args:
        folder: of the set or the catalogue.
        work: for a catalogue's decoded pictures.
        threads: decoders.
        side: of a prepared set; all of it if None. A catalogue has no sides and is whole.
    """
    from ruiji_encoder.catalogue import FolderCatalogue
    from ruiji_encoder.pairs.prepared import PreparedPairs, is_prepared

    if is_prepared(folder):
        return PreparedPairs(folder, side, threads=threads)
    with bar("Decode", None) as advance:
        return FolderCatalogue(folder, cache=work / "pictures", threads=threads, progress=advance)


def open_sides(folder: Path, work: Path, threads: int) -> tuple[CaptionedPictures, CaptionedPictures | None]:
    """Open what is for training, and the validation side, which is None for a catalogue or where it is empty.

    Args:
        folder: of a prepared set or a catalogue.
        work: for a catalogue's decoded pictures.
        threads: decoders.
    """
    from ruiji_encoder.pairs.prepared import is_prepared, read_prepared_manifest
    from ruiji_encoder.pairs.splitting import Side

    training = open_pictures(folder, work, threads, side=Side.TRAIN)
    if is_prepared(folder) and read_prepared_manifest(folder).sides.get(Side.VALIDATION):
        return training, open_pictures(folder, work, threads, side=Side.VALIDATION)
    return training, None


def open_gate_pictures(folder: Path, work: Path, threads: int, *, gate: int, calibration: int) -> GatePictures:
    """Open what an export is judged and calibrated with: never the same pictures, and none of a test side.

    Args:
        folder: of a prepared set or a catalogue.
        work: for a catalogue's decoded pictures.
        threads: decoders.
        gate: pictures for the gate, at most.
        calibration: pictures for calibration, at most.
    """
    from ruiji_encoder.gate_pictures import choose_gate_pictures
    from ruiji_encoder.pairs.prepared import is_prepared

    training, validation = open_sides(folder, work, threads)
    return choose_gate_pictures(
        folder.name, training, validation, gate=gate, calibration=calibration, has_sides=is_prepared(folder)
    )


def described(folder: Path) -> str:
    """Name the pictures that `open_pictures` gives for training, for people."""
    from ruiji_encoder.pairs.prepared import is_prepared
    from ruiji_encoder.pairs.splitting import Side

    return f"{folder.name}, {Side.TRAIN} side" if is_prepared(folder) else folder.name


def behind_trunk(tower: object, pictures: CaptionedPictures, work: Path, threads: int) -> TrainingData:
    """Replace pictures by what a backbone's trunk makes of them, from the work folder; others are left as they are."""
    from ruiji_encoder.backbones.efficientnet_lite import LiteVisionTower
    from ruiji_encoder.backbones.trunk_rows import TrunkRows

    if not isinstance(tower, LiteVisionTower) or tower.config.trunk_blocks == 0:
        return pictures
    with bar("Trunk", len(pictures)) as advance:
        return TrunkRows(pictures, tower, work / "trunk", threads=threads, progress=advance)
