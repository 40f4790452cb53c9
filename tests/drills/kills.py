"""What is killed, how, and by what sign it is known to work again."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ruiji_client import EmbeddingStatus, RuijiClient, RuijiClientError
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.manifest import read_manifest
from ruiji_server.store.feed import FeedReader

from tests.drills.installation import Installation
from tests.drills.processes import descendants, wait_for

STUB = "triton_python_backend_stub"
TRITON = "bin/tritonserver"
_BUILD_S = 15.0
"""Longest wait for a build to begin, so that it can be killed in the middle."""

Rng = np.random.Generator


@dataclass(frozen=True)
class Probe:
    """What a sign of life needs."""

    installation: Installation
    client: RuijiClient
    write: Callable[[], str]
    """Makes a new item through the API, without giving up, and returns its id."""


@dataclass(frozen=True)
class Kind:
    """One way to die."""

    name: str
    kill: Callable[[Installation, Rng], None]
    works_again: Callable[[Probe], None]
    """Returns when it does."""
    postgresql_only: bool = False


def kill_process(name: str) -> Callable[[Installation, Rng], None]:
    """Return a killer of one of the installation's own processes."""

    def kill(installation: Installation, _rng: Rng) -> None:
        installation.processes[name].tend()
        installation.processes[name].kill()

    return kill


def kill_server(installation: Installation, rng: Rng) -> None:
    """Kill the server's process or, where it has several, one of them by chance."""
    server = installation.processes["server"]
    server.tend()
    below = [pid for pid in descendants(server.pid) if rng.random() < 0.5]
    if below:
        _kill(below[0])
    else:
        server.kill()


def kill_builder(installation: Installation, rng: Rng) -> None:
    """Kill the builder while it builds, a random while after it began."""
    builder = installation.processes["builder"]
    with contextlib.suppress(TimeoutError):
        wait_for(lambda: unfinished(installation.generations), "a build", timeout_s=_BUILD_S, tend=builder.tend)
    time.sleep(float(rng.exponential(0.05)))
    builder.tend()
    builder.kill()


def kill_below_triton(part: str) -> Callable[[Installation, Rng], None]:
    """Return a killer of a child of the supervisor, known by its command line; the supervisor has to replace it."""

    def kill(installation: Installation, _rng: Rng) -> None:
        triton = installation.processes["triton"]

        def found() -> int | None:
            below = descendants(triton.pid)
            return next((pid for pid, command in below.items() if part in command.split(" ", 1)[0]), None)

        _kill(wait_for(found, part, tend=installation.tend) or 0)

    return kill


def kill_postgresql(installation: Installation, _rng: Rng) -> None:
    """Kill the postmaster; its children notice and end."""
    assert installation.postgresql is not None
    installation.postgresql.kill()


def kill_everything(installation: Installation, rng: Rng) -> None:
    """Kill all of it at once, as a machine that loses power does, but for what the kernel had not written yet."""
    if installation.postgresql is not None:
        kill_postgresql(installation, rng)
    for process in installation.processes.values():
        process.tend()
        process.kill()


def server_answers(probe: Probe) -> None:
    """Wait until pages are served."""

    def answers() -> bool:
        try:
            return bool(probe.client.info(timeout_s=2.0).generation.generation_id)
        except RuijiClientError:
            return False

    wait_for(answers, "the server", tend=probe.installation.tend)


def new_item_is_embedded(probe: Probe) -> None:
    """Wait until an item that is written now has been embedded: store, server, worker and Triton all work."""
    item_id = probe.write()

    def embedded() -> bool:
        try:
            statuses = probe.client.get_item(item_id).embeddings
        except RuijiClientError:
            return False
        return any(status.stage == EmbeddingStatus.STAGE_EMBEDDED for status in statuses)

    wait_for(embedded, f"{item_id} to be embedded", timeout_s=180.0, tend=probe.installation.tend)


def new_generation_is_published(probe: Probe) -> None:
    """Wait until a generation is published that has everything up to now."""
    reached = FeedReader(probe.installation.database).last_position()
    directory = GenerationDirectory(probe.installation.generations)

    def published() -> bool:
        current = directory.current_id()
        return current is not None and read_manifest(directory.folder(current)).feed_position >= reached

    wait_for(published, "a new generation", tend=probe.installation.tend)


def write_is_acknowledged(probe: Probe) -> None:
    """Wait until the store takes an item."""
    probe.write()


def everything_works(probe: Probe) -> None:
    """Wait for each of the above."""
    server_answers(probe)
    new_item_is_embedded(probe)
    new_generation_is_published(probe)


KINDS = {
    kind.name: kind
    for kind in (
        Kind("server", kill_server, server_answers),
        Kind("embedding worker", kill_process("worker"), new_item_is_embedded),
        Kind("index builder", kill_builder, new_generation_is_published),
        Kind("Triton supervisor", kill_process("triton"), new_item_is_embedded),
        Kind("tritonserver", kill_below_triton(TRITON), new_item_is_embedded),
        Kind("Triton's Python stub", kill_below_triton(STUB), new_item_is_embedded),
        Kind("PostgreSQL", kill_postgresql, write_is_acknowledged, postgresql_only=True),
        Kind("everything at once", kill_everything, everything_works),
    )
}


def unfinished(generations: Path) -> list[Path]:
    """Return the folders of generations that are being built or were given up."""
    return [path for path in generations.glob(".gen-*") if path.is_dir()] if generations.exists() else []


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
