"""Ruiji's own part: a store filled through its own classes, a generation, and the same one without neighbour table."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ruiji_server.columns.neighbours import NEIGHBOURS
from ruiji_server.domain.items import Item, ItemState, PictureUri, Price
from ruiji_server.generations.builder import BuildSettings, build_generation
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.leases import new_folder
from ruiji_server.generations.manifest import GenerationManifest, read_manifest, write_manifest
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.embedding_tasks import EmbeddingTaskStore, FinishedTask
from ruiji_server.store.engine import Database, open_database

from benchmarks.synthetic_catalogue import DIMENSIONS, SyntheticItem, synthetic_items

ENCODER_ID = "enc-0123456789abcdef"
WITH_TABLE, WITHOUT_TABLE = "generations", "generations-without-table"

_AT_ONCE = 2_000
_LEASE_S = 600.0


class _Silent:
    """Build progress for nobody."""

    @contextmanager
    def stage(self, _name: str, _total: int) -> Iterator[Callable[[int], None]]:
        yield lambda _steps: None


def build_ruiji(folder: Path, count: int, seed: int) -> None:
    """Fill a store, build a generation and publish it, with and without its neighbour table.

    Only building counts as build time: the others are handed their vectors, so filling the store has no counterpart.
    """
    folder.mkdir(parents=True)
    database = open_database(f"sqlite:///{folder / 'store.sqlite'}", create=True)
    try:
        started_s = time.monotonic()
        _fill(database, synthetic_items(count, seed))
        filled_s = time.monotonic()
        directory = GenerationDirectory(folder / WITH_TABLE)
        manifest = build_generation(database, ENCODER_ID, directory, BuildSettings(), _Silent())
    finally:
        database.close()
    built_s = time.monotonic()
    _publish_without_table(directory.folder(manifest.generation_id), GenerationDirectory(folder / WITHOUT_TABLE))
    times = {"build_s": built_s - filled_s, "fill_store_s": filled_s - started_s, "stages_s": manifest.build_seconds}
    (folder / "built.json").write_text(json.dumps(times))


def published_manifest(folder: Path, generations: str) -> tuple[Path, GenerationManifest]:
    """Return the folder of the published generation and what it says of itself."""
    directory = GenerationDirectory(folder / generations)
    path = directory.folder(directory.require(ENCODER_ID))
    return path, read_manifest(path)


def _fill(database: Database, items: Iterator[SyntheticItem]) -> None:
    store, tasks = CatalogueStore(database), EmbeddingTaskStore(database, ENCODER_ID)
    tasks.register_encoder("synthetic", DIMENSIONS)
    batch: list[SyntheticItem] = []
    for item in items:
        batch.append(item)
        if len(batch) == _AT_ONCE:
            _store(store, tasks, batch)
            batch = []
    if batch:
        _store(store, tasks, batch)


def _store(store: CatalogueStore, tasks: EmbeddingTaskStore, batch: list[SyntheticItem]) -> None:
    """Store a batch of items, then their embeddings as a worker would."""
    store.upsert(f"fill-{batch[0].item_id}", "0" * 64, [_item(synthetic) for synthetic in batch])
    vectors = {synthetic.item_id: synthetic.vector for synthetic in batch}
    claimed = tasks.claim(len(batch), _LEASE_S)
    tasks.finish([FinishedTask(task.item_id, task.picture_sha256, vectors[task.item_id]) for task in claimed])


def _item(synthetic: SyntheticItem) -> Item:
    return Item(
        item_id=synthetic.item_id,
        title=synthetic.item_id,
        price=Price(synthetic.price_minor, synthetic.currency),
        category_path=synthetic.category_path,
        state=ItemState(synthetic.state),
        picture=PictureUri(f"https://pictures.example/{synthetic.item_id}.jpg"),
    )


def _publish_without_table(source: Path, directory: GenerationDirectory) -> None:
    """Publish the same files but for the neighbour table, so that both rows differ by nothing else."""
    manifest = read_manifest(source)
    files = {name: entry for name, entry in manifest.files.items() if name != NEIGHBOURS}
    aside = directory.root / f".{manifest.generation_id}"
    directory.root.mkdir(parents=True, exist_ok=True)
    with new_folder(aside):
        for name in files:
            os.link(source / name, aside / name)
        write_manifest(aside, replace(manifest, neighbours_within_ratio=None, files=files))
        directory.adopt(aside, manifest.generation_id)
