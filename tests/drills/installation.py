"""A whole installation in processes of its own, as an operator runs it: Triton, worker, builder, server."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from ruiji_client import ClientSettings, Connection, RuijiClient, RuijiClientError
from ruiji_encoding.manifest import read_manifest
from ruiji_server.store.engine import Database, open_database

from tests.drills.processes import Process, ruiji, wait_for
from tests.support.postgresql import PostgresqlServer
from tests.support.tiny_encoder import write_tiny_encoder


@dataclass
class Installation:
    """What was started, and how to talk to it."""

    folder: Path
    store: str
    """URL."""
    encoder_id: str
    target: str
    triton_url: str
    database: Database
    """A connection of the drill's own, to compare with."""
    postgresql: PostgresqlServer | None
    encoder: Path
    rebuild_s: float
    server_workers: int
    processes: dict[str, Process] = field(default_factory=dict)

    @property
    def generations(self) -> Path:
        """Where generations are published."""
        return self.folder / "generations"

    def client(self) -> RuijiClient:
        """Return a client that finds a restarted server within a fraction of a second."""
        return RuijiClient(ClientSettings(self.target, connection=Connection(max_reconnect_backoff_s=0.2)))

    def tend(self) -> None:
        """Start again what ended by itself."""
        for process in self.processes.values():
            process.tend()

    def outputs(self) -> str:
        """Return the ends of all logs, for a failure's message."""
        return "\n".join(f"--- {name} ---\n{process.output()}" for name, process in self.processes.items())

    def command(self, name: str) -> list[str]:
        """Return the command line of one of the processes."""
        place = ("--data", self.folder, "--store", self.store)
        port = self.target.rpartition(":")[2]
        commands = {
            "triton": ("triton", "--data", self.folder, "--encoder", self.encoder,
                       "--port", self.triton_url.rpartition(":")[2]),
            "worker": ("worker", "run", *place, "--triton-url", self.triton_url, "--encoder-id", self.encoder_id),
            "builder": ("index", "build", *place, "--encoder-id", self.encoder_id, "--every", str(self.rebuild_s)),
            "server": ("serve", *place, "--address", f"127.0.0.1:{port}", "--triton-url", self.triton_url,
                       "--workers", str(self.server_workers)),
        }  # fmt: skip
        return ruiji(*commands[name])


@contextmanager
def run_installation(
    folder: Path,
    postgresql: PostgresqlServer | None = None,
    *,
    store: Path | None = None,
    encoder: Path | None = None,
    rebuild_s: float = 1.0,
    server_workers: int = 1,
    environment: Mapping[str, str] | None = None,
    without: frozenset[str] = frozenset(),
) -> Iterator[Installation]:
    """Start an installation with an empty catalogue; it serves once something was embedded and built.

    Args:
        folder: its data.
        postgresql: keeps the store; None keeps it in SQLite.
        store: the SQLite file, if it is not to lie in the folder.
        encoder: the artefact's folder; None makes a tiny encoder.
        rebuild_s: between two looks of the builder, at least 1.
        server_workers: processes that serve on one port.
        environment: further variables for all processes but Triton.
        without: processes that are not started.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if encoder is None:
        encoder = folder / "encoder"
        write_tiny_encoder(encoder)
    url = postgresql.create_database() if postgresql else f"sqlite:///{store or folder / 'store.sqlite'}"
    database = open_database(url, create=True)
    with ExitStack() as stack:
        stack.callback(database.close)
        installation = Installation(
            folder=folder,
            store=url,
            encoder_id=read_manifest(encoder).encoder_id,
            target=f"127.0.0.1:{free_port()}",
            triton_url=f"127.0.0.1:{free_port()}",
            database=database,
            postgresql=postgresql,
            encoder=encoder,
            rebuild_s=rebuild_s,
            server_workers=server_workers,
        )
        for name in ("triton", "worker", "builder", "server"):
            if name not in without:
                further = None if name == "triton" else environment
                process = Process(name, installation.command(name), folder / f"{name}.log", further)
                installation.processes[name] = process
                stack.callback(process.stop)
                process.start()
        yield installation


def wait_until_serving(installation: Installation, client: RuijiClient, timeout_s: float = 120.0) -> str:
    """Wait until a generation answers; return its id."""

    def generation() -> str:
        try:
            return client.info(timeout_s=5.0).generation.generation_id
        except RuijiClientError:
            return ""

    return wait_for(generation, "a generation that answers", timeout_s=timeout_s, tend=installation.tend)


def wait_until_reachable(installation: Installation, client: RuijiClient, timeout_s: float = 120.0) -> None:
    """Wait until the catalogue can be read."""

    def reachable() -> bool:
        try:
            client.get_item("nobody", timeout_s=5.0)
        except RuijiClientError as error:
            return error.code == grpc.StatusCode.NOT_FOUND
        return True

    wait_for(reachable, "the catalogue", timeout_s=timeout_s, tend=installation.tend)


def free_port() -> int:
    """Return a port that nobody uses at the moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
