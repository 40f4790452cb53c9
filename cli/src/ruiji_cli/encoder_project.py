"""`ruiji encoder project` and `merge-parts`: fit the projection, in one place or shard by shard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ruiji_cli.console import OUT, bar
from ruiji_cli.encoder_pictures import (
    DEFAULT_WORK,
    Checkpoint,
    Pictures,
    Threads,
    WorkFolder,
    behind_trunk,
    described,
    open_pictures,
)

Dimensions = Annotated[int, typer.Option(min=2, help="Length of the embeddings.")]

_EMBED_AT_ONCE = 32


def project(
    checkpoint: Checkpoint,
    pictures: Pictures,
    out: Annotated[Path, typer.Option(help="File to write, such as projection.npz.")],
    part: Annotated[
        bool, typer.Option("--part", help="Write the shard's moments instead, for `ruiji encoder merge-parts`.")
    ] = False,
    work: WorkFolder = DEFAULT_WORK,
    dimensions: Dimensions = 128,
    threads: Threads = 2,
) -> None:
    """Fit the projection: PCA over pictures' features, times a fixed rotation that int8 needs.

    Of a prepared set, the training side is used.
    """
    import torch
    from ruiji_encoder.checkpoints import load_vision_tower, weights_sha256
    from ruiji_encoder.features import batches_of, gather_moments
    from ruiji_encoder.pairs.splitting import Side
    from ruiji_encoder.projection import fit_projection, save_projection
    from ruiji_encoder.projection_parts import ProjectionPart, save_part

    torch.set_num_threads(threads)
    tower = load_vision_tower(checkpoint)
    data = behind_trunk(tower, open_pictures(pictures, work, threads, side=Side.TRAIN), work, threads)
    with bar("Embed", len(data)) as advance:
        moments = gather_moments(tower, batches_of(data, _EMBED_AT_ONCE), progress=advance)
    if part:
        save_part(out, ProjectionPart(moments, weights_sha256(tower), described(pictures)))
        OUT.print(f"{out}: the moments of {moments.count:,} pictures")
        return
    fitted_on = f"{len(data)} pictures of {described(pictures)}"
    projection = fit_projection(moments, fitted_on=fitted_on, dimensions=dimensions)
    save_projection(out, projection)
    kept = f"{projection.explained_variance:.1%}"
    OUT.print(
        f"{out}: fitted on {fitted_on}; {dimensions} dimensions keep {kept} of the variance",
        soft_wrap=True,
    )


def merge_parts(
    parts: Annotated[
        list[Path], typer.Argument(exists=True, dir_okay=False, help="Made by `ruiji encoder project --part`.")
    ],
    out: Annotated[Path, typer.Option(help="File to write, such as projection.npz.")],
    dimensions: Dimensions = 128,
) -> None:
    """Fit one projection on shards that were gathered apart; the result is that of one pass over all of them."""
    from ruiji_encoder.projection import save_projection
    from ruiji_encoder.projection_parts import fit_parts

    projection = fit_parts(parts, dimensions=dimensions)
    save_projection(out, projection)
    OUT.print(
        f"{out}: {projection.pictures:,} pictures of {len(parts)} parts, {dimensions} dimensions keep "
        f"{projection.explained_variance:.1%} of the variance",
        soft_wrap=True,
    )
