"""How fast pictures become embeddings: through Triton, by the engine called directly, and by the machine's limit.

    python -m benchmarks.encoder_speed
    python -m benchmarks.encoder_speed --encoder exported/fp32 --encoder exported/int8 --seconds 10

For each encoder, with ONNX Runtime, and with OpenVINO where it is installed and runs the precision: the engine in this
process with all cores, at several batch sizes; the same graph behind a real tritonserver of the nvidia-pytriton wheel,
asked as the embedding worker does (a few requests under way, each of some pictures); and one picture at a time through
Triton, for a query's latency. All take turns, round by round; medians count. The machine's limit is what a matrix
product of NumPy reaches on all cores in float32, over the multiplications and additions that the graph needs for a
picture; bf16 and int8 go beyond it.

Decoding and resizing are timed apart, on one core, on rendered photographs.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import psutil
from numpy.typing import NDArray
from onnx import numpy_helper, shape_inference
from PIL import Image
from rich.console import Console
from rich.progress import track
from ruiji_demo.catalogue import render_catalogue
from ruiji_demo.encoder import demo_encoder_folder
from ruiji_encoding.manifest import MODEL_FILE, read_manifest
from ruiji_encoding.pictures import decode_picture
from ruiji_server.embedding.triton import TritonClient
from ruiji_triton.config import ModelSettings
from ruiji_triton.cpu_engine import CpuEngine
from ruiji_triton.engine_check import check_engine
from ruiji_triton.errors import RepositoryError
from ruiji_triton.python_backend.engines import open_engine
from ruiji_triton.repositories import write_repositories
from ruiji_triton.settings import SupervisorSettings
from ruiji_triton.supervisor import TritonSupervisor

BATCHES = (1, 8, 32)
LANES, REQUEST_PICTURES = 4, 8
PICTURES = 64
_MATRIX = 2_048

Rate = Callable[[float], float]
"""Embeds for so many seconds; returns pictures a second."""


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", type=Path, action="append", help="encoder folder (default: the demo encoder)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each engine in each round (default: 3)")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    console = Console(width=160)
    files = rendered_pictures()
    pixels = np.stack([decode_picture(file) for file in files])
    gflops = machine_gflops()
    console.print(
        f"{psutil.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; a float32 matrix product reaches {gflops:.0f} "
        f"GFLOP/s. Decoding and resizing: {decoding_rate(files):.0f} pictures/s on one core."
    )
    for folder in arguments.encoder or [demo_encoder_folder()]:
        report(folder, pixels, gflops, arguments, console)


def report(
    folder: Path, pixels: NDArray[np.uint8], gflops: float, arguments: argparse.Namespace, console: Console
) -> None:
    """Measure one encoder and print its table."""
    manifest = read_manifest(folder)
    needed = graph_gflop(folder / MODEL_FILE)
    with ExitStack() as stack:
        rows: dict[tuple[CpuEngine, str], Rate] = {}
        for engine in engines_for(folder, pixels, console):
            opened = open_engine(engine, folder / MODEL_FILE, threads=0, precision=manifest.precision)
            for batch in BATCHES:
                rows[engine, f"direct, batch {batch}"] = _repeated(partial(opened.run, pixels[:batch]), batch)
            url = stack.enter_context(triton_of(folder, engine))
            rows[engine, f"Triton, {LANES} requests of {REQUEST_PICTURES}"] = triton_rate(
                url, manifest.encoder_id, pixels[:REQUEST_PICTURES], LANES
            )
            rows[engine, "Triton, one picture at a time"] = triton_rate(url, manifest.encoder_id, pixels[:1], 1)
        rates: dict[tuple[CpuEngine, str], list[float]] = {row: [] for row in rows}
        for number in track(range(arguments.rounds + 1), manifest.name, console=console):
            for row, rate in rows.items():
                found = rate(arguments.seconds)
                if number:  # the first round warms up
                    rates[row].append(found)
    medians = {row: statistics.median(each) for row, each in rates.items()}
    console.print(
        f"\n{manifest.name} ({manifest.encoder_id}, {manifest.precision}): {needed:.2f} GFLOP a picture; limit at that "
        f"matrix speed {gflops / needed:.1f} pictures/s\n"
    )
    console.print("| engine | asked | pictures/s | lowest to highest | of its best direct call |")
    console.print("|---|---|---:|---:|---:|")
    for (engine, asked), each in rates.items():
        direct = max(median for (of, how), median in medians.items() if of == engine and how.startswith("direct"))
        median = medians[engine, asked]
        spread = f"{min(each):.1f} to {max(each):.1f}"
        console.print(f"| {engine} | {asked} | {median:.1f} | {spread} | {median / direct:.1%} |")


def engines_for(folder: Path, pixels: NDArray[np.uint8], console: Console) -> list[CpuEngine]:
    """Return the engines that compute the encoder here, and say how close they are to ONNX Runtime."""
    engines = [CpuEngine.ONNXRUNTIME]
    try:
        found = check_engine(folder, CpuEngine.OPENVINO, pixels)
    except RepositoryError as error:
        console.print(f"without OpenVINO: {error}", soft_wrap=True)
    else:
        console.print(f"OpenVINO: cosine to ONNX Runtime at least {found.min_cosine:.6f}, overlap {found.overlap}")
        engines.append(CpuEngine.OPENVINO)
    return engines


def rendered_pictures() -> list[bytes]:
    """Return picture files as a marketplace gets them: JPEG, 640 pixels."""
    with tempfile.TemporaryDirectory() as folder:
        render_catalogue(Path(folder), PICTURES, 0, lambda _: None)
        files = []
        for path in sorted(Path(folder, "images").iterdir()):
            file = io.BytesIO()
            with Image.open(path) as picture:
                picture.convert("RGB").resize((640, 640), Image.Resampling.BICUBIC).save(file, "JPEG", quality=88)
            files.append(file.getvalue())
    return files


def decoding_rate(files: list[bytes]) -> float:
    """Return how many pictures one core decodes and resizes in a second of its time."""
    began_s = time.thread_time()
    for _ in range(4):
        for file in files:
            decode_picture(file)
    return 4 * len(files) / (time.thread_time() - began_s)


def machine_gflops() -> float:
    """Return the float32 GFLOP/s of a matrix product on all cores; the best of some, for nothing can beat the limit."""
    left = np.random.default_rng(0).standard_normal((_MATRIX, _MATRIX), dtype=np.float32)
    spent_s = []
    for _ in range(8):
        began_s = time.perf_counter()
        left @ left
        spent_s.append(time.perf_counter() - began_s)
    return 2 * _MATRIX**3 / min(spent_s) / 1e9


def graph_gflop(path: Path) -> float:
    """Return the multiplications and additions for one picture, in 1e9, of matrix products and convolutions."""
    model = shape_inference.infer_shapes(onnx.load(path))
    shapes: dict[str, list[int]] = {
        value.name: [dim.dim_value or 1 for dim in value.type.tensor_type.shape.dim]
        for value in (*model.graph.value_info, *model.graph.input, *model.graph.output)
    }
    shapes |= {tensor.name: list(numpy_helper.to_array(tensor).shape) for tensor in model.graph.initializer}
    total = 0
    for node in model.graph.node:
        out = int(np.prod(shapes.get(node.output[0], [0])))
        if node.op_type in {"MatMul", "Gemm", "MatMulInteger"}:
            total += 2 * out * shapes.get(node.input[0], [0])[-1]
        elif node.op_type in {"Conv", "ConvInteger"}:
            total += 2 * out * int(np.prod(shapes.get(node.input[1], [0])[1:]))
    return total / 1e9


def triton_rate(url: str, encoder_id: str, pixels: NDArray[np.uint8], lanes: int) -> Rate:
    """Return what keeps some requests under way at Triton."""

    async def ask(seconds: float) -> float:
        done, began_s = 0, time.perf_counter()
        async with TritonClient(url) as client:

            async def lane() -> None:
                nonlocal done
                while time.perf_counter() - began_s < seconds:
                    await client.embed(encoder_id, pixels)
                    done += len(pixels)

            await asyncio.gather(*(lane() for _ in range(lanes)))
            return done / (time.perf_counter() - began_s)

    return lambda seconds: asyncio.run(ask(seconds))


@contextmanager
def triton_of(folder: Path, engine: CpuEngine) -> Iterator[str]:
    """Serve an encoder as `ruiji triton` does; yield the URL."""
    with tempfile.TemporaryDirectory() as place:
        written = write_repositories(folder, Path(place), ModelSettings(cpu_engine=engine))
        supervisor = TritonSupervisor(SupervisorSettings(repository=written.embedded))
        try:
            supervisor.start()
            yield supervisor.url
        finally:
            supervisor.stop()


def _repeated(run: Callable[[], object], pictures: int) -> Rate:
    def rate(seconds: float) -> float:
        done, began_s = 0, time.perf_counter()
        while time.perf_counter() - began_s < seconds:
            run()
            done += pictures
        return done / (time.perf_counter() - began_s)

    return rate


if __name__ == "__main__":
    main()
