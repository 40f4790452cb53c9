"""Building a generation from the store: columns, index, repair, measurement, manifest; aside, then renamed."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ruiji_server.columns import layout
from ruiji_server.columns.reader import Columns
from ruiji_server.columns.writer import write_columns
from ruiji_server.generations.directory import GenerationDirectory, fsync_folder
from ruiji_server.generations.errors import GenerationError
from ruiji_server.generations.generation import INDEX_FILE
from ruiji_server.generations.manifest import GenerationManifest, Quality, checksum, read_manifest, write_manifest
from ruiji_server.generations.quality import (
    choose_expansion,
    repair,
    sample_with_truth,
    unreachable_rows,
)
from ruiji_server.index.quantisation import Int8Scale
from ruiji_server.index.usearch_index import HnswSettings, UsearchIndex
from ruiji_server.store.engine import Database
from ruiji_server.store.snapshot import open_snapshot

_REPAIR_ROUNDS = 3
_LEAST_ITEMS = 2


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """How a generation is built and what it must reach."""

    hnsw: HnswSettings = field(default_factory=HnswSettings)
    recall_target: float = 0.95
    """Recall at 20 that the search's expansion is chosen to meet."""
    recall_floor: float = 0.85
    """A generation below this recall at 20 is not published."""
    recall_sample: int = 500
    """Items that recall is measured on."""
    expansion_ladder: tuple[int, ...] = (64, 96, 128, 192, 256, 384, 512)
    """Search expansions (ef) that are tried, ascending."""
    candidates: int = 100
    """Candidates that recall is measured with; those of the ranking policy."""
    seed: int = 0
    """Of the insertion order and the sample."""


class BuildProgress(Protocol):
    """Told how the build goes, for instance by drawing bars."""

    def stage(self, name: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Begin a stage of `total` steps; the context's value is told how many were done since its last call."""


def is_behind(database: Database, encoder_id: str, directory: GenerationDirectory) -> bool:
    """Return whether the store has changes, and items enough, that the published generation lacks."""
    with open_snapshot(database, encoder_id) as snapshot:
        current = directory.current_id()
        if current is not None:
            published = read_manifest(directory.folder(current))
            # Positions first: counting looks at every embedding.
            if published.encoder_id == encoder_id and published.feed_position >= snapshot.feed_position:
                return False
        return snapshot.count >= _LEAST_ITEMS


def build_generation(
    database: Database,
    encoder_id: str,
    directory: GenerationDirectory,
    settings: BuildSettings,
    progress: BuildProgress,
) -> GenerationManifest:
    """Build a generation of everything that an encoder has embedded, and publish it.

    Until the end it stands in a folder that no server looks at. The store can be written meanwhile; what comes after
    the first moment of the build is not in it.

    Raises:
        GenerationError: nothing is embedded yet, or the index falls below its recall floor.
        UnknownEncoder: the encoder is not registered with the store.
    """
    built_at = datetime.now(UTC)
    generation_id = f"gen-{built_at:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    aside = directory.root / f".{generation_id}"
    aside.mkdir(parents=True)
    try:
        manifest = _build_into(aside, database, encoder_id, generation_id, built_at, settings, progress)
        _fsync_files(aside)
        aside.rename(directory.folder(generation_id))
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    fsync_folder(directory.root)
    directory.publish(generation_id)
    return manifest


def _build_into(
    folder: Path,
    database: Database,
    encoder_id: str,
    generation_id: str,
    built_at: datetime,
    settings: BuildSettings,
    progress: BuildProgress,
) -> GenerationManifest:
    with open_snapshot(database, encoder_id) as snapshot:
        if snapshot.count < _LEAST_ITEMS:
            raise GenerationError(
                f"encoder {encoder_id} has embedded {snapshot.count} items; an index needs two at least. Import a "
                "catalogue and run `ruiji worker` first"
            )
        feed_position, items, dimensions = snapshot.feed_position, snapshot.count, snapshot.dimensions
        with progress.stage("Read items", items) as advance:
            on_sale = write_columns(folder, snapshot.items(), items, dimensions, advance)
    embeddings = Columns(folder).embeddings
    scale = Int8Scale.fit(embeddings)
    with progress.stage("Build graph", items) as advance:
        index = UsearchIndex.build(embeddings, scale, settings.hnsw, seed=settings.seed, progress=advance)
    with progress.stage("Measure recall", 1) as advance:
        queries, truth = sample_with_truth(embeddings, settings.recall_sample, settings.seed)
        recall = choose_expansion(
            index, embeddings, queries, truth,
            candidates=settings.candidates, target=settings.recall_target, ladder=settings.expansion_ladder,
        )  # fmt: skip
        advance(1)
    if recall < settings.recall_floor:
        raise GenerationError(
            f"recall at 20 is {recall:.3f}, below the floor of {settings.recall_floor}: not published. Raise "
            "connectivity or expansion_add, or check that the projection includes its rotation"
        )
    lost, still_lost = _sweep(index, embeddings, settings.candidates, progress)
    index.save(folder / INDEX_FILE)
    manifest = GenerationManifest(
        generation_id=generation_id,
        encoder_id=encoder_id,
        built_at=built_at.isoformat(timespec="seconds"),
        feed_position=feed_position,
        items=items,
        recommendable_items=on_sale,
        dimensions=dimensions,
        int8_factor=scale.factor,
        connectivity=settings.hnsw.connectivity,
        expansion_add=settings.hnsw.expansion_add,
        expansion_search=index.expansion_search,
        seed=settings.seed,
        quality=Quality(
            recall_at_20=recall,
            recall_queries=len(queries),
            reachable_share=1.0 - still_lost / items,
            repaired=lost - still_lost,
        ),
        files={name: checksum(folder / name) for name in (*layout.FILES, INDEX_FILE)},
    )
    write_manifest(folder, manifest)
    return manifest


def _sweep(
    index: UsearchIndex, embeddings: NDArray[np.float32], candidates: int, progress: BuildProgress
) -> tuple[int, int]:
    """Repair what no search finds; return how many items that were, and how many are still lost."""
    rows = np.arange(len(embeddings), dtype=np.int64)
    with progress.stage("Sweep for lost items", len(rows)) as advance:
        lost = unreachable_rows(index, embeddings, rows, candidates, advance)
    remaining = lost
    for _ in range(_REPAIR_ROUNDS):
        if len(remaining) == 0:
            break
        repair(index, embeddings, remaining)
        remaining = unreachable_rows(index, embeddings, remaining, candidates, lambda _: None)
    return len(lost), len(remaining)


def _fsync_files(folder: Path) -> None:
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    fsync_folder(folder)
