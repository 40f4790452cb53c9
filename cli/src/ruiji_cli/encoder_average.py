"""`ruiji encoder average`: one checkpoint of several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ruiji_cli.console import OUT


def average(
    checkpoints: Annotated[
        list[str], typer.Argument(help="Two or more that were fine-tuned from the same one: folders or hub names.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the checkpoint to write.")],
    share: Annotated[
        list[float] | None, typer.Option(help="Of each in the mean, in their order; all alike by default.")
    ] = None,
) -> None:
    """Average the weights of fine-tuned checkpoints (a "model soup"): often better than each, at no cost in serving.

    They must descend from the same checkpoint. Judge the mean on the validation side before taking it:
    `ruiji encoder average a/best b/best --share 0.6 --share 0.4 --out mean`.
    """
    from ruiji_encoder.averaging import average_checkpoints
    from ruiji_encoder.checkpoints import save_checkpoint
    from ruiji_encoder.errors import CheckpointError

    if out.exists():
        raise CheckpointError(f"{out} exists already: choose another folder")
    model, tokenizer = average_checkpoints(checkpoints, share or None)
    save_checkpoint(out, model, tokenizer)
    OUT.print(f"{out}: the mean of {len(checkpoints)} checkpoints", soft_wrap=True)
