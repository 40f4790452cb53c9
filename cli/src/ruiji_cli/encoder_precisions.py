"""`ruiji encoder precisions`, and how any table of precisions is shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ruiji_cli.console import ERR, OUT, StageBars
from ruiji_cli.encoder_pictures import DEFAULT_WORK, Checkpoint, Pictures, WorkFolder, open_gate_pictures
from ruiji_cli.failures import UsageProblem

if TYPE_CHECKING:
    from ruiji_evaluation.precisions import PrecisionTable

TableFolder = Annotated[Path | None, typer.Option("--out", help="Folder for precisions.md and precisions.json too.")]


def precisions(
    checkpoint: Checkpoint,
    projection: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Made by `ruiji encoder project`.")],
    pictures: Pictures,
    out: TableFolder = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", metavar="PRECISION", help="Try this one; again for more.  [default: fp32 and all others]"
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=11, help="Pictures to measure on, at most.")] = 256,
    calibration: Annotated[
        int, typer.Option(min=1, help="Pictures of the training side that int8-static is calibrated on, at most.")
    ] = 128,
    work: WorkFolder = DEFAULT_WORK,
    threads: Annotated[int, typer.Option(min=1, help="CPU cores for each export and for PyTorch.")] = 1,
) -> None:
    """Try every precision of a model before exporting one: size, closeness to PyTorch, speed, verdict of the gates.

    Such as `ruiji encoder precisions run/best projection.npz pairs --out table`. Nothing is exported: choose by the
    table, then run `ruiji encoder export --precision`. Pictures to measure on are of the validation side.
    """
    import torch
    from ruiji_encoder.checkpoints import load_vision_tower
    from ruiji_encoder.projection import load_projection
    from ruiji_encoding.manifest import Precision
    from ruiji_evaluation.precision_trials import try_precisions

    unknown = [name for name in only or [] if name not in set(Precision)]
    if unknown:
        raise UsageProblem(f"--only is {unknown[0]!r}; there are {', '.join(Precision)}")
    torch.set_num_threads(threads)
    table = try_precisions(
        checkpoint,
        load_vision_tower(checkpoint),
        load_projection(projection),
        open_gate_pictures(pictures, work, threads, gate=count, calibration=calibration),
        precisions=[Precision(name) for name in only] if only else tuple(Precision),
        threads=threads,
        stages=StageBars(),
    )
    show_precisions(table, out)


def show_precisions(table: PrecisionTable, out: Path | None) -> None:
    """Print a table of precisions, and write it where a folder was given."""
    from ruiji_evaluation.precision_report import HEADINGS, cells, explanation, write_precisions

    shown = Table(box=None, pad_edge=False, caption=escape(explanation(table)), caption_justify="left")
    for heading in HEADINGS:
        shown.add_column(heading, justify="left" if heading in {"precision", "verdict"} else "right")
    for row in table.rows:
        *figures, verdict = cells(row)
        shown.add_row(*figures, verdict if row.passed else f"[bold red]{verdict}[/]")
    OUT.print(shown)
    for precision, why in table.not_written.items():
        ERR.print(f"{precision} was not written: {escape(why)}", highlight=False)
    if out is not None:
        markdown, results = write_precisions(table, out)
        OUT.print(f"{markdown} and {results}", soft_wrap=True)
