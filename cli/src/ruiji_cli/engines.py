"""Which engine runs encoders in the embedded Triton, and whether its answers are the encoder's on this machine."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from ruiji_triton.cpu_engine import CpuEngine

from ruiji_cli.console import ERR

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EngineOption = Annotated[
    CpuEngine,
    typer.Option(
        "--engine",
        help="What runs the encoder on the CPU. openvino (pip install 'ruiji[openvino]') runs all precisions "
        "but int8, bf16 several times as fast on processors with AMX; its answers are compared with ONNX Runtime's "
        "first.",
    ),
]

_RENDERED_SEED = 7


def check_chosen(engine: CpuEngine, encoder: Path, pictures: NDArray[np.uint8], *, threads: int = 0) -> None:
    """Say how close the engine comes to ONNX Runtime, which needs no check itself.

    Args:
        engine: the one that was chosen.
        encoder: folder of an exported encoder.
        pictures: shape (n, 256, 256, 3), uint8.
        threads: of one run; 0 takes every CPU.

    Raises:
        RepositoryError: the engine is not installed, or not close enough.
    """
    from ruiji_triton.engine_check import check_engine

    with ERR.status(f"Comparing {engine} with ONNX Runtime"):
        found = check_engine(encoder, engine, pictures, threads=threads)
    kept = "" if found.overlap is None else f", {found.overlap:.1%} of the ten nearest stay"
    ERR.print(
        f"{engine} answers as ONNX Runtime does: cosine at least {found.min_cosine:.6f} over {found.pictures} "
        f"pictures{kept}",
        soft_wrap=True,
    )


def rendered_pictures(number: int) -> NDArray[np.uint8]:
    """Return pictures of the demo's kind, shape (number, 256, 256, 3), where nobody has given others."""
    import numpy as np
    from ruiji_demo.catalogue import render_catalogue
    from ruiji_encoding.pictures import decode_picture

    with tempfile.TemporaryDirectory() as folder:
        render_catalogue(Path(folder), number, _RENDERED_SEED)
        files = sorted(Path(folder, "images").iterdir())
        return np.stack([decode_picture(file.read_bytes()) for file in files])
