"""Ruiji's own server over a small built catalogue: `python -m tests.support.product_process FOLDER`.

Prints its port, then serves until its standard input ends. A process, because a server and an asyncio client with an
event loop each would share one gRPC poller.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from ruiji_server.embedding.picture_source import PictureSource
from ruiji_server.services.server import Server, ServerSettings

from tests.support.catalogues import build, fill_store

ITEMS = 300


async def serve(folder: Path) -> None:
    store = fill_store(folder, ITEMS)
    generations, _ = build(store, folder / "generations")
    settings = ServerSettings(address="127.0.0.1:0", drain_s=0.0, grace_s=0.0, unit_key=folder / "unit.key")
    # No Triton: query pictures are refused, everything else is answered.
    async with Server(settings, store.database, generations, PictureSource(None), None) as server:
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
