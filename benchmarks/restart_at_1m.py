"""How long a server takes from its start to its first page, with a million items.

    python -m benchmarks.restart_at_1m
    python -m benchmarks.restart_at_1m --items 5000000 --folder /var/tmp/ruiji-5m

Run it in the repository's root. It makes a generation of synthetic embeddings with the functions that the builder uses,
but does not measure its recall: the graph is made with few candidates, which changes neither its size nor how it is
opened. Then it starts `ruiji serve` again and again, with the files in the page cache and without. The time is from the
start of the process to the first page for an item.

Ends with status 1 if the median of a warm restart is above 5 s.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from ruiji_client import ClientSettings, Connection, RuijiClient, RuijiClientError
from ruiji_server.columns import layout
from ruiji_server.columns.reader import Columns
from ruiji_server.columns.writer import write_columns
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.generation import INDEX_FILE
from ruiji_server.generations.manifest import GenerationManifest, file_entries, write_manifest
from ruiji_server.generations.quality import Quality
from ruiji_server.index.quantisation import Int8Scale
from ruiji_server.index.usearch_index import HnswSettings, UsearchIndex
from ruiji_server.store.encoders import register_encoder
from ruiji_server.store.engine import open_database

from benchmarks.synthetic_catalogue import DIMENSIONS, item_id, synthetic_items
from tests.drills.installation import free_port
from tests.drills.processes import Process, ruiji, wait_for

TARGET_S = 5.0
ENCODER_ID = "enc-0000000000000000"


def main() -> None:
    """Make the generation unless it is there, restart, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5, help="restarts of each kind (default: 5)")
    parser.add_argument("--workers", type=int, default=1, help="serving processes (default: 1)")
    parser.add_argument("--folder", type=Path, help="keeps the data for another run; a temporary one by default")
    parser.add_argument("--report", type=Path, default=Path("restart_at_1m.md"), help="Markdown page to write")
    arguments = parser.parse_args()
    console = Console()
    with ExitStack() as stack:
        folder = arguments.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ruiji-restart-")))
        directory = GenerationDirectory(folder / "generations")
        if directory.current_id(ENCODER_ID) is None:
            with Progress(console=console) as progress:
                make_generation(folder, directory, arguments.items, progress)
        manifest = directory.open_current(ENCODER_ID, verify=False).manifest
        times = {
            "files in the page cache": [
                restart(folder, manifest.items, arguments.workers) for _ in range(arguments.repeats)
            ],
            "files not in the page cache": [
                restart(folder, manifest.items, arguments.workers, forget=True) for _ in range(arguments.repeats)
            ],
        }
    header = ("from start to first page, s", "n", "median", "largest")
    lines = [(name, str(len(found)), f"{np.median(found):.2f}", f"{max(found):.2f}") for name, found in times.items()]
    table = Table(*header, title=f"{manifest.items} items, {manifest.total_bytes / 2**30:.2f} GiB")
    for line in lines:
        table.add_row(*line)
    console.print(table)
    text = [
        "# Restart",
        "",
        f"{manifest.items} items, {manifest.total_bytes / 2**30:.2f} GiB of files, "
        f"{arguments.workers} serving process(es); "
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {psutil.cpu_count()} cores, "
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB, {platform.platform()}, "
        f"load average {os.getloadavg()[0]:.1f}.",
        "",
        *("| " + " | ".join(line) + " |" for line in (header, ["---"] * len(header), *lines)),
    ]
    arguments.report.write_text("\n".join(text) + "\n", encoding="utf-8")
    sys.exit(1 if np.median(times["files in the page cache"]) > TARGET_S else 0)


def make_generation(folder: Path, directory: GenerationDirectory, count: int, progress: Progress) -> None:
    """Make an empty store that knows the encoder, and publish a generation of synthetic items."""
    folder.mkdir(parents=True, exist_ok=True)
    database = open_database(f"sqlite:///{folder / 'store.sqlite'}", create=True)
    register_encoder(database, ENCODER_ID, "synthetic", DIMENSIONS)
    database.close()
    built_at = datetime.now(UTC)
    generation_id = f"gen-{built_at:%Y%m%dT%H%M%S}-000000"
    aside = directory.root / f".{generation_id}"
    aside.mkdir(parents=True)
    task = progress.add_task("Write columns", total=count)
    on_sale = write_columns(aside, synthetic_items(count), count, DIMENSIONS, lambda done: progress.advance(task, done))
    embeddings = Columns(aside).embeddings
    scale = Int8Scale.fit(embeddings)
    settings = HnswSettings(expansion_add=16)
    task = progress.add_task("Build graph", total=count)
    index = UsearchIndex.build(embeddings, scale, settings, seed=0, progress=lambda done: progress.advance(task, done))
    index.save(aside / INDEX_FILE)
    manifest = GenerationManifest(
        generation_id=generation_id,
        encoder_id=ENCODER_ID,
        built_at=built_at.isoformat(timespec="seconds"),
        feed_position=0,
        items=count,
        recommendable_items=on_sale,
        dimensions=DIMENSIONS,
        int8_factor=scale.factor,
        connectivity=settings.connectivity,
        expansion_add=settings.expansion_add,
        expansion_search=64,
        recall_target=0.0,
        seed=0,
        neighbours_within_ratio=None,
        quality=Quality(recall_at_20=0.0, recall_queries=0, bands=(), reachable_share=0.0, repaired=0),
        build_seconds={},
        files=file_entries(aside, (*layout.FILES, INDEX_FILE)),
    )
    write_manifest(aside, manifest)
    directory.adopt(aside, generation_id)


def restart(folder: Path, count: int, workers: int, *, forget: bool = False) -> float:
    """Start a server, wait for its first page, kill it; return how long the page took, in seconds."""
    if forget:
        for path in (folder / "generations").rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    address = f"127.0.0.1:{free_port()}"
    command = ruiji("serve", "--data", folder, "--address", address, "--workers", str(workers))
    server = Process("server", command, folder / "server.log")
    settings = ClientSettings(address, connection=Connection(max_reconnect_backoff_s=0.1))
    with RuijiClient(settings) as client:

        def answers() -> bool:
            try:
                return bool(client.similar_items(item_id=item_id(count // 2), timeout_s=5.0).items)
            except RuijiClientError:
                return False

        server.start()
        began = time.monotonic()
        try:
            wait_for(answers, "a page", timeout_s=300.0)
            return time.monotonic() - began
        finally:
            server.stop()


if __name__ == "__main__":
    main()
