"""`ruiji encoder tensorrt`: an engine for NVIDIA's container, gated like every other export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ruiji_cli.console import ERR, OUT
from ruiji_cli.encoder_pictures import DEFAULT_WORK, GATE_PICTURES, Pictures, Threads, WorkFolder, open_gate_pictures
from ruiji_cli.failures import UsageProblem


def tensorrt(
    encoder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of an fp32 export.")],
    pictures: Pictures,
    out: Annotated[Path, typer.Option(help="Folder with `container/`, the repository for NVIDIA's image.")] = Path(
        "triton_models/repository"
    ),
    precision: Annotated[
        str, typer.Option(help="Of the tower's products: bf16 (for GPUs since Ampere), fp16 or fp32.")
    ] = "bf16",
    usual_batch: Annotated[int, typer.Option(min=1, help="Pictures in the batch that the engine is fastest for.")] = 8,
    largest_batch: Annotated[
        int, typer.Option(min=1, help="Most pictures in a batch; also what Triton is told to batch up to.")
    ] = 64,
    timing_cache: Annotated[
        Path | None,
        typer.Option(
            help="File that keeps what was measured from build to build, so that the next has less to measure."
        ),
    ] = None,
    plan_only: Annotated[
        bool, typer.Option("--plan-only", help="Show which nodes would compute in what, and build nothing.")
    ] = False,
    work: WorkFolder = DEFAULT_WORK,
    threads: Threads = 2,
) -> None:
    """Build a TensorRT engine for NVIDIA's container, and write it into the container's repository.

    First export in fp32; then, on the kind of GPU that will serve and in the container that will serve (an engine fits
    no other): `ruiji encoder tensorrt encoder pairs --timing-cache tensorrt.cache`. Softmax, norms, pixels, projection
    and unit length stay in fp32 whatever the precision; `--plan-only` shows it, and needs neither TensorRT nor GPU.
    The engine's answers are compared with the fp32 graph's on pictures of the validation side; an engine that misses
    the gate is not written.
    """
    import onnx
    from ruiji_encoder.tensorrt.building import build_gated_engine
    from ruiji_encoder.tensorrt.engine import EngineSettings
    from ruiji_encoder.tensorrt.precision_plan import LayerPrecision, plan_precisions, summary
    from ruiji_encoding.manifest import MODEL_FILE, Precision
    from ruiji_triton.config import ModelSettings
    from ruiji_triton.repositories import write_engine

    if precision not in set(LayerPrecision):
        raise UsageProblem(f"--precision is {precision!r}; there are {', '.join(LayerPrecision)}")
    if plan_only:
        graph = onnx.load(encoder / MODEL_FILE)
        table = Table("computes in", "kind of node", "nodes", box=None)
        for computes_in, kinds in summary(graph, plan_precisions(graph, LayerPrecision(precision))).items():
            for kind, number in sorted(kinds.items()):
                table.add_row(computes_in, kind, str(number))
        OUT.print(table)
        return
    chosen = open_gate_pictures(pictures, work, threads, gate=GATE_PICTURES, calibration=0).gate
    ERR.print("building the engine; minutes without a timing cache ...")
    manifest, plan = build_gated_engine(
        encoder,
        Precision(precision),
        chosen.pixels,
        EngineSettings(usual_batch=usual_batch, largest_batch=largest_batch),
        gated_on=chosen.described,
        timing_cache=timing_cache,
    )
    repository = write_engine(manifest, plan, out, ModelSettings(max_batch_size=largest_batch))
    OUT.print(
        f"{manifest.encoder_id} in {precision}: lowest cosine {manifest.parity.min_cosine:.6f}; {repository}",
        soft_wrap=True,
    )
