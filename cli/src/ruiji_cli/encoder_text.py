"""`ruiji encoder export-text`: titles into the space of a picture encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ruiji_cli.console import OUT
from ruiji_cli.encoder_pictures import DEFAULT_WORK, Checkpoint, Pictures, Threads, WorkFolder, described, open_pictures

_MOST_TITLES = 20_000


def export_text(
    checkpoint: Checkpoint,
    projection: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="The one that the picture encoder was exported with.")
    ],
    encoder: Annotated[
        Path,
        typer.Argument(exists=True, file_okay=False, help="The picture encoder's folder; titles go into its space."),
    ],
    pictures: Pictures,
    out: Annotated[Path, typer.Option(help="Folder for model.onnx, tokenizer/ and text_encoder.json.")],
    replace: Annotated[bool, typer.Option("--replace", help="Replace the text encoder that is in the folder.")] = False,
    work: WorkFolder = DEFAULT_WORK,
    threads: Threads = 2,
) -> None:
    """Export the text encoder: tokenizer and ONNX graph, so that titles land among the embeddings of pictures.

    Such as `ruiji encoder export-text run/best projection.npz encoder pairs --out text-encoder`, after `export`. Titles
    are centred on their own mean, measured on up to 20,000 titles of the training side, and projected as the pictures
    are. A graph whose answers differ from PyTorch's leaves nothing behind. `ruiji eval texts` tells how well titles and
    pictures find each other.
    """
    import torch
    from ruiji_encoder.checkpoints import load_text_tower, load_tokenizer
    from ruiji_encoder.pairs.splitting import Side
    from ruiji_encoder.projection import load_projection
    from ruiji_encoder.texts.export import TextExportSettings, export_text_encoder

    torch.set_num_threads(threads)
    data = open_pictures(pictures, work, threads, side=Side.TRAIN)
    step = max(1, len(data) // _MOST_TITLES)
    titles = [data.captions(row)[0] for row in range(0, len(data), step)]
    manifest = export_text_encoder(
        out,
        load_text_tower(checkpoint),
        load_tokenizer(checkpoint),
        load_projection(projection),
        encoder,
        titles,
        TextExportSettings(checkpoint, f"{len(titles)} titles of {described(pictures)}", replace=replace),
    )
    OUT.print(
        f"{out}: titles for {manifest.encoder_id}, {manifest.dimensions} dimensions, cosine to PyTorch at least "
        f"{manifest.parity.min_cosine:.6f}",
        soft_wrap=True,
    )
