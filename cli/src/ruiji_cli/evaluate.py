"""`ruiji eval`: which encoder is better, from logs or from attributes, and what a precision costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ruiji_cli.console import ERR, OUT, StageBars
from ruiji_cli.encoder_precisions import TableFolder, show_precisions
from ruiji_cli.evaluate_texts import texts

if TYPE_CHECKING:
    from ruiji_evaluation.evaluation import Evaluation
    from ruiji_evaluation.pictures import Pictures
    from ruiji_evaluation.study import Study

app = typer.Typer(
    help="Compare encoders offline.\n\n"
    "A study (TOML) names the item table, the pictures, the encoders, the baseline and, where there are no logs, which "
    "equal attributes make items relevant. `attributes` searches a gallery; `logs` puts logged lists into each "
    "encoder's order and judges them by their taps; `events` does so with yesterday's log of the servers and the "
    "embeddings of the store, and needs no study. These write a Markdown and an HTML report with intervals, "
    "significance, slices, and pages of wins and losses in pictures. `texts` tells whether titles and pictures find "
    "each other, `precisions` what fp16, bf16 and int8 cost. docs/evaluation.md has the formats of studies and logs.",
    no_args_is_help=True,
)

StudyFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, metavar="STUDY.toml", help="What is compared.")]
DataRoot = Annotated[
    Path | None, typer.Option("--data", help="Folder that the study's paths start from.  [default: the study's own]")
]
Added = Annotated[
    list[str] | None,
    typer.Option(
        "--add",
        metavar="NAME=KIND:WHERE",
        help="A further encoder, such as ours=artefact:build/encoder, zero-shot=hub:google/siglip-base-patch16-256 or "
        "tiny=pixels:14; +pca:128 may follow. May be repeated.",
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="NAME", help="Compare this encoder with the baseline, and none that is not named."),
]
Baseline = Annotated[str | None, typer.Option(help="Compare with this encoder instead of the study's baseline.")]
ReportFolder = Annotated[Path, typer.Option("--out", help="Folder for the report.")]
FeatureCache = Annotated[Path, typer.Option("--cache", help="Folder that keeps features between runs.")]
Threads = Annotated[int, typer.Option(min=1, help="CPU cores to use.")]

_SHOWN_MEASURES = 5
"""As many as fit into eighty columns."""

_DEFAULT_CACHE = Path("build/evaluation/features")


@app.command()
def attributes(
    study: StudyFile,
    data: DataRoot = None,
    out: ReportFolder = Path("build/evaluation/attributes"),
    add: Added = None,
    only: Only = None,
    baseline: Baseline = None,
    cache: FeatureCache = _DEFAULT_CACHE,
    threads: Threads = 1,
) -> None:
    """Search a gallery for every query and judge by shared attributes; needs no logs."""
    from ruiji_evaluation.attributes import evaluate_attributes

    loaded = _study(study, data, add, only, baseline)
    _report(evaluate_attributes(loaded, cache=cache, threads=threads, stages=StageBars()), loaded, out)


@app.command()
def logs(
    study: StudyFile,
    log: Annotated[
        Path, typer.Argument(exists=True, help="A .parquet, .jsonl or .jsonl.gz file, or a folder of such.")
    ],
    data: DataRoot = None,
    out: ReportFolder = Path("build/evaluation/logs"),
    add: Added = None,
    only: Only = None,
    baseline: Baseline = None,
    max_unknown: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Refuse a log with a larger share of items that are unknown.")
    ] = 0.1,
    cache: FeatureCache = _DEFAULT_CACHE,
    threads: Threads = 1,
) -> None:
    """Put every list that was shown into each encoder's order and judge by what was tapped."""
    from ruiji_evaluation.logs.reranking import evaluate_logs

    loaded = _study(study, data, add, only, baseline)
    evaluation = evaluate_logs(
        loaded, log, cache=cache, threads=threads, max_unknown_share=max_unknown, stages=StageBars()
    )
    _report(evaluation, loaded, out)


@app.command("check-log")
def check_log(
    log: Annotated[
        Path, typer.Argument(exists=True, help="A .parquet, .jsonl or .jsonl.gz file, or a folder of such.")
    ],
) -> None:
    """Read a log without evaluating it: how many requests can be used, and what would be left out, by reason."""
    from ruiji_evaluation.logs.reading import LogReader

    reader = LogReader(log)
    requests = tapped = shown = taps = 0
    for request in reader:
        requests += 1
        shown += len(request.shown)
        taps += len(request.taps)
        tapped += bool(request.taps)
    OUT.print(f"{requests} requests, {tapped} of them with a tap; {shown} items shown, {taps} tapped")
    if reader.left_out:
        table = Table("left out", "number")
        for reason, number in sorted(reader.left_out.items()):
            table.add_row(reason, str(number))
        OUT.print(table)


@app.command()
def precisions(
    reference: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of the fp32 export.")],
    others: Annotated[list[Path], typer.Argument(exists=True, file_okay=False, help="Folders of its other exports.")],
    pictures: Annotated[Path, typer.Option(exists=True, help="Folder or zip file of real pictures.")],
    count: Annotated[int, typer.Option(min=11, help="Pictures to run, evenly spread over the names.")] = 256,
    out: TableFolder = None,
    threads: Threads = 1,
) -> None:
    """Compare finished exports of one encoder: size, cosine and neighbours against fp32, speed; fail below the gates.

    `ruiji encoder precisions` does so before anything is exported, against PyTorch.
    """
    from ruiji_evaluation.pictures import decode_some
    from ruiji_evaluation.precisions import compare_precisions

    stages = StageBars()
    with stages.stage("Decode", count) as advance:
        decoded = decode_some(pictures, count, progress=advance)
    measured_on = f"{len(decoded)} pictures of {pictures.name}"
    table = compare_precisions(reference, others, decoded, measured_on=measured_on, threads=threads, stages=stages)
    show_precisions(table, out)
    if not all(row.passed for row in table.rows):
        ERR.print("[bold red]error:[/] an export misses its gate; serve a higher precision")
        raise typer.Exit(1)


app.command("texts")(texts)


def _study(path: Path, data: Path | None, add: list[str] | None, only: list[str] | None, baseline: str | None) -> Study:
    from ruiji_evaluation.encoders import parse_spec
    from ruiji_evaluation.study import load_study

    return load_study(
        path, root=data, added=[parse_spec(text) for text in add or []], only=only or [], baseline=baseline
    )


def _report(evaluation: Evaluation, study: Study, folder: Path) -> None:
    from ruiji_evaluation.pictures import PictureFiles

    with PictureFiles(study.pictures) as files:
        show_evaluation(evaluation, files, folder)


def show_evaluation(evaluation: Evaluation, pictures: Pictures, folder: Path) -> None:
    """Print the table of an evaluation and write its report."""
    from ruiji_evaluation.documents.tables import p_text
    from ruiji_evaluation.report import write_report

    comparison = evaluation.comparison
    first = comparison.measures[0]
    table = Table("encoder", first, "change", "p", *comparison.measures[1:_SHOWN_MEASURES])
    for name, figures in comparison.figures.items():
        change, p_value = "", ""
        if name != comparison.baseline:
            difference = comparison.differences[name][0]
            change = f"{difference.absolute.mean:+.3f}"
            if difference.relative is not None:
                change = f"{difference.relative.mean:+.1%}"
            p_value = p_text(difference.p_holm)
        means = [f"{figure.mean:.3f}" for figure in figures[:_SHOWN_MEASURES]]
        table.add_row(name, means[0], change, p_value, *means[1:])
    table.caption = f"change of {first} against {comparison.baseline}; the report has intervals and all measures"
    OUT.print(table)
    for reason, number in sorted(evaluation.left_out.items()):
        ERR.print(f"left out: {number} x {reason}", highlight=False)
    written = write_report(evaluation, folder, pictures)
    OUT.print(f"{comparison.queries} queries; report: {written.html} and {written.markdown}", soft_wrap=True)
