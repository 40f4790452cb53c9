"""A published generation with one wrong bit: a server that runs, or starts, goes on with the former one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from ruiji_client import RuijiClient

from tests.drills.installation import free_port
from tests.drills.processes import Process, descendants, ruiji, wait_for
from tests.drills.serving import served_generation
from tests.support.catalogues import build, fill_store

pytestmark = pytest.mark.drill

ITEMS = 300
_LOOKS_S = 2.5
"""A server looks for a new generation each second."""


def test_a_generation_with_a_wrong_bit_is_never_served(tmp_path, drill_is_long):
    rng = np.random.default_rng(0)
    store = fill_store(tmp_path, ITEMS)
    generations = tmp_path / "generations"
    _, former = build(store, generations)
    address = f"127.0.0.1:{free_port()}"
    server = Process("server", ruiji("serve", "--data", tmp_path, "--address", address), tmp_path / "server.log")
    server.start()
    try:
        with RuijiClient(address) as client:
            wait_for(lambda: served_generation(client) == former.generation_id, "the server")
            # Its processes sleep while the new generation is published and damaged, so that they meet it damaged.
            with stopped(server):
                _, newer = build(store, generations)
                with damaged(generations / newer.generation_id / "index.usearch", rng):
                    resume(server)
                    time.sleep(_LOOKS_S)
                    assert served_generation(client) == former.generation_id, "the running server goes on"
                    assert client.similar_items(item_id="item-00001").items
            files = sorted(path for path in (generations / newer.generation_id).iterdir() if path.stat().st_size)
            for file in files if drill_is_long else rng.choice(files, 1):
                with damaged(file, rng):
                    server.kill()
                    server.start()
                    wait_for(lambda: served_generation(client), "the server")
                    assert served_generation(client) == former.generation_id, f"{file.name} is damaged"
                    assert client.similar_items(item_id="item-00001").generation_id == former.generation_id
            server.kill()
            server.start()
            wait_for(lambda: served_generation(client) == newer.generation_id, "the healed generation")
    finally:
        server.stop()


@contextmanager
def damaged(file: Path, rng: np.random.Generator) -> Iterator[None]:
    """Let one bit of a file be wrong for a while."""
    whole = file.read_bytes()
    content = bytearray(whole)
    content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
    # In place, for the file may be mapped by whoever looks at it; the size stays, so nobody reads beyond its end.
    file.write_bytes(content)
    try:
        yield
    finally:
        file.write_bytes(whole)


@contextmanager
def stopped(server: Process) -> Iterator[None]:
    """Stop the server's processes where they are."""
    _signal(server, signal.SIGSTOP)
    try:
        yield
    finally:
        resume(server)


def resume(server: Process) -> None:
    """Let them go on."""
    _signal(server, signal.SIGCONT)


def _signal(server: Process, number: signal.Signals) -> None:
    for pid in (server.pid, *descendants(server.pid)):
        os.kill(pid, number)
