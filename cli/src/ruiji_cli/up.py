"""`ruiji up`: everything on one machine."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from ruiji_cli.background import kept_running
from ruiji_cli.console import ERR
from ruiji_cli.options import DEFAULT_DATA, DataFolder, PicturesFolder, TritonUrl, generations_folder, store_url


def up(
    data: DataFolder = DEFAULT_DATA,
    encoder: Annotated[Path | None, typer.Option(help="Encoder folder.  [default: the demo encoder]")] = None,
    address: Annotated[str, typer.Option(envvar="RUIJI_ADDRESS", help="host:port to listen on.")] = "127.0.0.1:50051",
    triton_url: TritonUrl = None,
    pictures: PicturesFolder = None,
    rebuild_s: Annotated[
        float, typer.Option(min=1.0, help="Seconds between looks whether the catalogue changed and needs a build.")
    ] = 30.0,
    metrics_port: Annotated[int | None, typer.Option(min=1, max=65535, help="Prometheus metrics.")] = None,
) -> None:
    """Run all of Ruiji on one machine: Triton, an embedding worker, the index builder and the gRPC server.

    Items imported before or meanwhile are embedded and appear with the next generation. Ctrl-C stops everything.
    """
    from ruiji_server.services.server import ServerSettings
    from ruiji_server.store.engine import open_database
    from ruiji_triton.supervisor import TritonSupervisor

    from ruiji_cli.serve import run
    from ruiji_cli.triton import triton_settings

    data.mkdir(parents=True, exist_ok=True)
    open_database(store_url(data, None), create=True).close()
    with ExitStack() as stack:
        settings = triton_settings(encoder, data)
        [encoder_id] = settings.encoder_ids
        if triton_url is None:
            ERR.print("starting Triton ...")
            triton_url = stack.enter_context(TritonSupervisor(settings)).url
        worker = ["worker", "run", "--data", str(data), "--triton-url", triton_url, "--encoder-id", encoder_id]
        if pictures is not None:
            worker += ["--pictures", str(pictures)]
        build = ["index", "build", "--data", str(data), "--encoder-id", encoder_id, "--every", str(rebuild_s)]
        stack.enter_context(kept_running(worker))
        stack.enter_context(kept_running(build))
        run(
            ServerSettings(address=address, metrics_port=metrics_port),
            store_url(data, None),
            generations_folder(data, None),
            pictures,
            triton_url,
        )
