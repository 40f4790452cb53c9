"""Ruiji's own part: a store filled through its own classes, a generation, and the same one without neighbour table.

    python -m benchmarks.comparison.ruiji --work WORK --folder FOLDER --generations generations

Only building a generation counts as build time: the others are handed their vectors, so filling the store has no
counterpart there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

from ruiji_server.columns.neighbours import COSINES, NEIGHBOURS
from ruiji_server.domain.items import Item, PictureUri, Price
from ruiji_server.generations.builder import BuildSettings, build_generation
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.errors import GenerationError
from ruiji_server.generations.leases import new_folder
from ruiji_server.generations.manifest import GenerationManifest, read_manifest, write_manifest
from ruiji_server.generations.neighbours import NeighbourTableSettings
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.embedded_items import EmbeddedItem
from ruiji_server.store.embedding_tasks import EmbeddingTaskStore, FinishedTask
from ruiji_server.store.engine import Database, open_database, upgrade_store

from benchmarks.comparison.catalogue import item_count, prepared_items

ENCODER_ID = "enc-0123456789abcdef"
WITH_TABLE, WITHOUT_TABLE = "generations", "generations-without-table"

_AT_ONCE = 2_000
_LEASE_S = 600.0
_NEIGHBOUR_STAGE = "Find neighbours"


def main() -> None:
    """Fill the store unless that was done, then build."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="where the catalogue is prepared")
    parser.add_argument("--folder", type=Path, required=True, help="of the store and its generations")
    parser.add_argument("--generations", choices=(WITH_TABLE, WITHOUT_TABLE), default=WITH_TABLE)
    options = parser.parse_args()
    fill_store(options.folder, options.work)
    build(options.folder, options.generations)


def fill_store(folder: Path, work: Path) -> None:
    """Make a store with all prepared items and their embeddings, unless it is there."""
    filled = folder / "filled.json"
    if filled.exists():
        upgrade_store(_url(folder))
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    database = open_database(_url(folder), create=True)
    try:
        started_s = time.monotonic()
        _fill(database, work)
        filled.write_text(json.dumps({"fill_store_s": time.monotonic() - started_s}))
    finally:
        database.close()


def build(folder: Path, generations: str) -> None:
    """Build and publish a generation; one with a neighbour table brings the one without along.

    A catalogue of many millions can so be had without its table, whose making takes longest.
    """
    for stale in (WITH_TABLE, WITHOUT_TABLE):
        shutil.rmtree(folder / stale, ignore_errors=True)
        _facts_file(folder, stale).unlink(missing_ok=True)
    neighbours = NeighbourTableSettings() if generations == WITH_TABLE else NeighbourTableSettings(width=0)
    database = open_database(_url(folder))
    try:
        started_s = time.monotonic()
        directory = GenerationDirectory(folder / generations)
        manifest = build_generation(database, ENCODER_ID, directory, BuildSettings(neighbours=neighbours), _Lines())
        build_s = time.monotonic() - started_s
    finally:
        database.close()
    facts = {
        **json.loads((folder / "filled.json").read_text()),
        "build_s": build_s,
        "stages_s": manifest.build_seconds,
    }
    if generations == WITH_TABLE:
        _publish_without_table(directory.folder(manifest.generation_id), GenerationDirectory(folder / WITHOUT_TABLE))
        without_s = build_s - manifest.build_seconds[_NEIGHBOUR_STAGE]
        _facts_file(folder, WITHOUT_TABLE).write_text(json.dumps({**facts, "build_s": without_s}))
    _facts_file(folder, generations).write_text(json.dumps(facts))


def is_built(folder: Path, generations: str) -> bool:
    """Return whether this release can serve what an earlier run left; brings the store's tables up to date."""
    if not _facts_file(folder, generations).exists():
        return False
    upgrade_store(_url(folder))
    try:
        published_manifest(folder, generations)
    except GenerationError:
        return False
    return True


def build_facts(folder: Path, generations: str) -> dict[str, object]:
    """Return what was noted while a generation was built."""
    facts: dict[str, object] = json.loads(_facts_file(folder, generations).read_text())
    return facts


def published_manifest(folder: Path, generations: str) -> tuple[Path, GenerationManifest]:
    """Return the folder of the published generation and what it says of itself."""
    directory = GenerationDirectory(folder / generations)
    path = directory.folder(directory.require(ENCODER_ID))
    return path, read_manifest(path)


class _Lines:
    """Progress as lines, which the harness shows."""

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        done = shown = 0

        def advance(steps: int) -> None:
            nonlocal done, shown
            done += steps
            if (percent := 100 * done // max(1, total)) > shown:
                shown = percent
                print(f"{name}: {percent} %", file=sys.stderr, flush=True)

        print(name, file=sys.stderr, flush=True)
        yield advance


def _url(folder: Path) -> str:
    return f"sqlite:///{folder / 'store.sqlite'}"


def _facts_file(folder: Path, generations: str) -> Path:
    return folder / f"{generations}.json"


def _fill(database: Database, work: Path) -> None:
    store, tasks = CatalogueStore(database), EmbeddingTaskStore(database, ENCODER_ID)
    items = prepared_items(work)
    with _Lines().stage("Fill the store", item_count(work)) as advance:
        for number in count():
            if not (batch := list(islice(items, _AT_ONCE))):
                break
            if number == 0:
                tasks.register_encoder("comparison", len(batch[0].vector))
            _store(store, tasks, number, batch)
            advance(len(batch))


def _store(store: CatalogueStore, tasks: EmbeddingTaskStore, number: int, batch: list[EmbeddedItem]) -> None:
    """Store a batch of items, then their embeddings as a worker would."""
    store.upsert(f"fill-{number}", "0" * 64, [_item(embedded) for embedded in batch])
    vectors = {embedded.item_id: embedded.vector for embedded in batch}
    claimed = tasks.claim(len(batch), _LEASE_S)
    tasks.finish([FinishedTask(task.item_id, task.picture_sha256, vectors[task.item_id]) for task in claimed])


def _item(embedded: EmbeddedItem) -> Item:
    return Item(
        item_id=embedded.item_id,
        title=embedded.item_id,
        price=Price(embedded.price_minor, embedded.currency),
        category_path=embedded.category_path,
        state=embedded.state,
        picture=PictureUri(f"https://pictures.example/{embedded.item_id}.jpg"),
    )


def _publish_without_table(source: Path, directory: GenerationDirectory) -> None:
    """Publish the same files but for the neighbour table, so that both rows differ by nothing else."""
    manifest = read_manifest(source)
    files = {name: entry for name, entry in manifest.files.items() if name not in {NEIGHBOURS, COSINES}}
    aside = directory.root / f".{manifest.generation_id}"
    directory.root.mkdir(parents=True, exist_ok=True)
    with new_folder(aside):
        for name in files:
            os.link(source / name, aside / name)
        quality = replace(manifest.quality, neighbours_recall=None)
        write_manifest(aside, replace(manifest, neighbours_within_ratio=None, quality=quality, files=files))
        directory.adopt(aside, manifest.generation_id)


if __name__ == "__main__":
    main()
