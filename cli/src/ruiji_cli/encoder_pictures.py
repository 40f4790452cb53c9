"""What the commands that read pictures share: their options, and how a folder of pictures is opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ruiji_cli.console import bar

if TYPE_CHECKING:
    from ruiji_encoder.catalogue import CaptionedPictures
    from ruiji_encoder.pairs.splitting import Side

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
