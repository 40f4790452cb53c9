"""`ruiji eval texts`: do titles and pictures find each other?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ruiji_cli.console import OUT, bar

_EMBEDDED_AT_ONCE = 32


def texts(
    encoder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of the picture encoder.")],
    text_encoder: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="Made by `ruiji encoder export-text`.")
    ],
    pairs: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="Made by `ruiji encoder pairs`, with a test side.")
    ],
    most: Annotated[
        int, typer.Option(min=2, help="Pairs to search among, at most; evenly spread over the test side.")
    ] = 5_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the intervals.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="CPU cores to use.")] = 1,
) -> None:
    """Do titles and pictures find each other? Recall of 1, 5 and 10, both ways, on the test side of prepared pairs.

    Such as `ruiji eval texts encoder text-encoder pairs`. Recall of k from picture to title is the share of pictures
    with a true title among the k nearest; equal titles are one title. 95 % bootstrap intervals stand beside.
    """
    import numpy as np
    from ruiji_encoder.onnx_session import open_encoder
    from ruiji_encoder.pairs.prepared import PreparedPairs
    from ruiji_encoder.pairs.splitting import Side
    from ruiji_encoder.texts.artefact import TextEncoder
    from ruiji_evaluation.comparison import ResamplingSettings
    from ruiji_evaluation.report.tables import figure_text
    from ruiji_evaluation.text_retrieval import evaluate_texts

    manifest, pictures = open_encoder(encoder, threads=threads)
    titles_of = TextEncoder(text_encoder, encoder_id=manifest.encoder_id, threads=threads)
    data = PreparedPairs(pairs, Side.TEST, threads=threads)
    rows = np.linspace(0, len(data) - 1, num=min(len(data), most), dtype=np.int64)
    titles = [data.captions(row)[0] for row in rows.tolist()]
    with bar("Embed", len(rows)) as advance:
        parts = np.array_split(rows, -(-len(rows) // _EMBEDDED_AT_ONCE))
        embedded = pictures.embed_all((data.pictures(part) for part in parts), progress=advance)
    found = evaluate_texts(embedded, titles_of.embed(titles), titles, ResamplingSettings(seed=seed))
    table = Table("recall of", "title of a picture", "picture of a title")
    for k, figure in found.text_of_picture.items():
        table.add_row(str(k), figure_text(figure), figure_text(found.picture_of_text[k]))
    table.caption = f"{found.pictures} pictures and {found.texts} different titles of the test side"
    OUT.print(table)
