"""`ruiji up`: everything on one machine."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from ruiji_triton.cpu_engine import CpuEngine

from ruiji_cli.background import kept_running
from ruiji_cli.console import ERR
from ruiji_cli.engines import EngineOption
from ruiji_cli.event_options import (
    EventsRoot,
    JournalFolder,
    LogImpressions,
    UnitKey,
    event_settings,
    unit_key_file,
)
from ruiji_cli.options import DEFAULT_DATA, DataFolder, PicturesFolder, TritonUrl, generations_folder, store_url
from ruiji_cli.picture_access import PictureAccess
from ruiji_cli.pictures import PicturePrefixes, PrivatePictures
from ruiji_cli.triton import EncoderFolders, triton_settings

_COMPACT_S = 60.0


def up(
    data: DataFolder = DEFAULT_DATA,
    encoder: EncoderFolders = None,
    address: Annotated[str, typer.Option(envvar="RUIJI_ADDRESS", help="host:port to listen on.")] = "127.0.0.1:50051",
    triton_url: TritonUrl = None,
    engine: EngineOption = CpuEngine.ONNXRUNTIME,
    pictures: PicturesFolder = None,
    picture_prefix: PicturePrefixes = None,
    picture_private: PrivatePictures = None,
    rebuild_s: Annotated[
        float, typer.Option(min=1.0, help="Seconds between looks whether the catalogue changed and needs a build.")
    ] = 30.0,
    metrics_port: Annotated[int | None, typer.Option(min=1, max=65535, help="Prometheus metrics.")] = None,
    events: EventsRoot = None,
    journal: JournalFolder = None,
    unit_key: UnitKey = None,
    log_impressions: LogImpressions = 0.0,
) -> None:
    """Run all of Ruiji on one machine: Triton, an embedding worker, the index builder and the gRPC server.

    Items imported before or meanwhile are embedded and appear with the next generation. Ctrl-C stops everything.

    With --events, what people see and do is kept, and made into partitions each minute; see `ruiji events`.

    With several encoders the first one of a new store is promoted and answers; `ruiji encoder promote` changes that.
    """
    from ruiji_demo.encoder import demo_encoder_folder
    from ruiji_server.services.server import ServerSettings
    from ruiji_triton.supervisor import TritonSupervisor

    from ruiji_cli.serve import run

    kept = event_settings(data, events, journal, log_impressions)
    data.mkdir(parents=True, exist_ok=True)
    folders = encoder or [demo_encoder_folder()]
    _register(store_url(data, None), folders)
    with ExitStack() as stack:
        settings = triton_settings(folders, data, engine=engine)
        if triton_url is None:
            ERR.print("starting Triton ...")
            triton_url = stack.enter_context(TritonSupervisor(settings)).url
        access = PictureAccess.of(pictures, picture_prefix, picture_private)
        worker = ["worker", "run", "--data", str(data), "--triton-url", triton_url, *access.arguments()]
        for encoder_id in settings.encoder_ids:
            stack.enter_context(kept_running([*worker, "--encoder-id", encoder_id]))
        stack.enter_context(kept_running(["index", "build", "--data", str(data), "--every", str(rebuild_s)]))
        if events is not None and kept is not None:
            compact = ["events", "compact", "--data", str(data), "--events", events, "--journal", str(kept.journal)]
            stack.enter_context(kept_running([*compact, "--every", str(_COMPACT_S)]))
        run(
            ServerSettings(
                address=address, metrics_port=metrics_port, events=kept, unit_key=unit_key_file(data, unit_key)
            ),
            store_url(data, None),
            generations_folder(data, None),
            access,
            triton_url,
        )


def _register(store: str, folders: Sequence[Path]) -> None:
    """Make the encoders known in their order, so that the first one of a new store is promoted."""
    from ruiji_encoding.manifest import read_manifest
    from ruiji_server.store.encoders import active_encoders, register_encoder
    from ruiji_server.store.engine import open_database

    database = open_database(store, create=True)
    manifests = [read_manifest(folder) for folder in folders]
    with ERR.status("Giving tasks"):
        for manifest in manifests:
            register_encoder(database, manifest.encoder_id, manifest.name, manifest.dimensions)
    promoted = active_encoders(database)[0].encoder_id
    if promoted not in {manifest.encoder_id for manifest in manifests}:
        ERR.print(
            f"[yellow]warning:[/] encoder {promoted} is promoted and answers, and nothing embeds new listings with it "
            "here: give its folder with a further --encoder until `ruiji encoder promote` has replaced it"
        )
    database.close()
