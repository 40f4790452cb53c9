"""`ruiji triton`: the embedded Triton server in the foreground."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from ruiji_triton.cpu_engine import CpuEngine

from ruiji_cli.console import ERR, OUT
from ruiji_cli.engines import EngineOption, check_chosen, rendered_pictures
from ruiji_cli.options import DEFAULT_DATA, DataFolder

if TYPE_CHECKING:
    from ruiji_triton.settings import SupervisorSettings
    from ruiji_triton.supervisor import TritonSupervisor

_CHECKED_PICTURES = 10
"""Before each start: enough to see an engine that computes something else, at two seconds for a large encoder."""

EncoderFolders = Annotated[
    list[Path] | None,
    typer.Option(
        "--encoder", help="Encoder folder to serve; repeat it for several side by side.  [default: the demo encoder]"
    ),
]


def triton(
    encoder: EncoderFolders = None,
    data: DataFolder = DEFAULT_DATA,
    port: Annotated[int, typer.Option(min=0, max=65535, help="gRPC port; 0 takes a free one.")] = 8001,
    metrics_port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port of Triton's own metrics.")] = None,
    engine: EngineOption = CpuEngine.ONNXRUNTIME,
) -> None:
    """Serve encoders with the tritonserver of the nvidia-pytriton wheel, and keep it alive.

    Writes the model repository to DATA/triton first. For NVIDIA's container use DATA/triton/container.
    """
    from ruiji_triton.foreground import serve_until_signal

    settings = triton_settings(encoder or [], data, port=port, metrics_port=metrics_port, engine=engine)

    def ready(supervisor: TritonSupervisor) -> None:
        OUT.print(f"Triton answers on {supervisor.url} with encoder {', '.join(settings.encoder_ids)}")

    ERR.print("starting Triton ...")
    serve_until_signal(settings, ready)


def triton_settings(
    encoders: Sequence[Path],
    data: Path,
    *,
    port: int = 0,
    metrics_port: int | None = None,
    engine: CpuEngine = CpuEngine.ONNXRUNTIME,
) -> SupervisorSettings:
    """Write the model repository of encoders below the data folder and return how to serve it.

    Args:
        encoders: the encoders' folders; none means the demo encoder.
        data: the installation's folder.
        port: gRPC port; 0 takes a free one.
        metrics_port: port of Triton's own metrics; None for none.
        engine: what runs them.

    Raises:
        RepositoryError: an encoder that this engine does not answer for as ONNX Runtime does.
    """
    from ruiji_demo.encoder import demo_encoder_folder
    from ruiji_triton.config import ModelSettings
    from ruiji_triton.repositories import write_repositories
    from ruiji_triton.settings import SupervisorSettings

    folders = encoders or [demo_encoder_folder()]
    if engine is not CpuEngine.ONNXRUNTIME:
        pictures = rendered_pictures(_CHECKED_PICTURES)
        for folder in folders:
            check_chosen(engine, folder, pictures)
    model = ModelSettings(cpu_engine=engine)
    written = [write_repositories(folder, data / "triton", model) for folder in folders]
    return SupervisorSettings(
        repository=written[0].embedded,
        encoder_ids=tuple(repository.encoder_id for repository in written),
        grpc_port=port,
        metrics_port=metrics_port,
    )
