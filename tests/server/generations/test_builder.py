"""One builder at a time, and nothing half done, however a builder ends."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ruiji_server.generations.builder import BuildSettings, build_generation
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.errors import BelowFloor, DirectoryBusy
from ruiji_server.index.usearch_index import HnswSettings
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.engine import open_database

from tests.support.catalogues import ENCODER_ID, FilledStore, SilentBuild, an_item, build, embed_all, fill_store

ROOT = Path(__file__).parents[3]
OTHER = "enc-ffffffffffffffff"
QUICK = BuildSettings(recall_sample=20)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FilledStore:
    store = fill_store(tmp_path_factory.mktemp("store"), 400)
    yield store
    store.database.close()


def builder(store: FilledStore, root: Path, before: str = "", connectivity: int = 16) -> subprocess.Popen[str]:
    """Start a build as a process of its own; each stage is printed as it begins."""
    program = f"""
import resource, signal
from contextlib import contextmanager
from pathlib import Path
from ruiji_server.generations.builder import build_generation
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.errors import GenerationError
from ruiji_server.store.engine import open_database
from ruiji_server.generations.builder import BuildSettings
from ruiji_server.index.usearch_index import HnswSettings
class Told:
    @contextmanager
    def stage(self, name, total):
        print(name, flush=True)
        yield lambda steps: None
settings = BuildSettings(hnsw=HnswSettings(connectivity={connectivity}), recall_sample=20)
{before}
try:
    directory = GenerationDirectory(Path({str(root)!r}))
    build_generation(open_database({store.url!r}), {ENCODER_ID!r}, directory, settings, Told())
except GenerationError as error:
    print("refused:", error, flush=True)
"""
    return subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def folders(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.is_dir())


def test_a_second_builder_is_told_of_the_first(store, tmp_path):
    with GenerationDirectory(tmp_path).building(ENCODER_ID):
        with builder(store, tmp_path) as second:
            said = second.stdout.read()
        assert "is building a generation of enc-0123456789abcdef" in said
        assert "wait for it, or end it" in said
    assert folders(tmp_path) == []


def test_the_message_names_the_process(store, tmp_path):
    with builder(store, tmp_path) as first:
        assert first.stdout.readline() == "Read items\n"
        first.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(DirectoryBusy, match=f"pid {first.pid}"):
                build(store, tmp_path, QUICK)
        finally:
            first.send_signal(signal.SIGCONT)
        first.stdout.read()
    assert len(GenerationDirectory(tmp_path).ids()) == 1


def test_builders_of_two_encoders_do_not_stand_in_each_others_way(store, tmp_path):
    directory = GenerationDirectory(tmp_path)
    with directory.building(OTHER):
        build(store, tmp_path, QUICK)
    assert directory.current_id(ENCODER_ID) is not None


def test_a_builder_that_is_killed_at_any_step_leaves_what_was_published(store, tmp_path):
    directory, published = build(store, tmp_path, QUICK)
    rng = random.Random(0)
    for stage in ("Read items", "Build graph", "Measure recall", "Checksums"):
        with builder(store, tmp_path) as killed:
            assert f"{stage}\n" in iter(killed.stdout.readline, "")
            time.sleep(rng.random() * 0.02)
            killed.kill()
            reached = {stage, *killed.stdout.read().splitlines()}
        # On a busy machine it may have come to its last stage, and to its end.
        current = directory.open_current().manifest
        assert current.generation_id == published.generation_id or "Checksums" in reached
    _, after = build(store, tmp_path, QUICK)
    assert directory.current_id() == after.generation_id
    assert not [name for name in folders(tmp_path) if name.startswith(".")]


@pytest.mark.parametrize("limit_bytes", [1_000, 60_000, 250_000], ids=["columns", "embeddings", "index"])
def test_a_full_disk_is_said_and_leaves_nothing(store, tmp_path, limit_bytes):
    # Files of a limited size fail as on a full disk.
    before = (
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_bytes}, resource.RLIM_INFINITY))"
    )
    directory, published = build(store, tmp_path, QUICK)
    # With so many edges the index is the largest file.
    with builder(store, tmp_path, before, connectivity=128) as starved:
        said = starved.stdout.read()
    assert "refused: " in said
    assert "no room" in said or "is the disk full?" in said
    assert starved.returncode == 0
    assert folders(tmp_path) == [published.generation_id]
    directory.open_current()


def test_every_step_is_timed(store, tmp_path):
    _, manifest = build(store, tmp_path, QUICK)
    assert set(manifest.build_seconds) >= {"Read items", "Build graph", "Choose expansion", "Checksums"}
    assert all(seconds >= 0 for seconds in manifest.build_seconds.values())


@pytest.mark.parametrize(
    ("floors", "said"),
    [
        ({"recall_floor": 0.9999}, r"recall at 20 is 0\.\d+, below the floor"),
        ({"recall_floor": 0.0, "band_recall_floor": 0.9999}, r"price bands that keep 50\.0% of the catalogue"),
        ({"recall_floor": 0.0, "band_recall_floor": 0.0, "reachable_floor": 1.01}, r"of the items are reachable"),
    ],
    ids=["plain", "band", "reachable"],
)
def test_a_generation_below_any_floor_is_not_published_and_the_one_before_goes_on(filled_store, tmp_path, floors, said):
    directory, good = build(filled_store, tmp_path, QUICK)
    poor = BuildSettings(
        hnsw=HnswSettings(connectivity=2, expansion_add=2),
        expansion_ladder=(1,), recall_target=0.0, candidates=20, recall_sample=40, **floors,
    )  # fmt: skip
    with pytest.raises(BelowFloor, match=said):
        build_generation(filled_store.database, ENCODER_ID, directory, poor, SilentBuild())
    assert directory.current_id() == good.generation_id
    assert folders(tmp_path) == [good.generation_id]


def test_what_came_with_the_build_is_known_exactly(tmp_path):
    store = fill_store(tmp_path, 30)
    CatalogueStore(store.database).upsert("more", "", [an_item("more")])
    embed_all(store.database, {"more": store.vectors[0]})
    _, manifest = build(store, tmp_path / "generations", QUICK)
    store.database.close()
    database = open_database(store.url)
    assert manifest.items == 31
    assert manifest.feed_position == 62
    database.close()
