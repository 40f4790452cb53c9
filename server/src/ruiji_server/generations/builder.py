"""Building a generation from the store: columns, graph, repair, measurement, manifest; aside, then published."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from ruiji_server.columns import layout
from ruiji_server.columns.neighbours import COSINES, NEIGHBOURS
from ruiji_server.columns.reader import Columns
from ruiji_server.columns.writer import write_columns
from ruiji_server.generations.collection import remove_abandoned
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.errors import BelowFloor, GenerationError
from ruiji_server.generations.generation import INDEX_FILE
from ruiji_server.generations.leases import new_folder
from ruiji_server.generations.manifest import (
    FileEntry,
    GenerationManifest,
    file_entries,
    new_generation_id,
    write_manifest,
)
from ruiji_server.generations.neighbours import NeighbourTableSettings, write_neighbours
from ruiji_server.generations.progress import BuildProgress, StageClock
from ruiji_server.generations.quality import Quality, QualityFloors, shortfalls
from ruiji_server.generations.reachability import repair_lost
from ruiji_server.generations.recall import choose_expansion, draw_probes, measure_recall
from ruiji_server.index.quantisation import Int8Scale
from ruiji_server.index.usearch_index import HnswSettings, UsearchIndex
from ruiji_server.store.engine import Database
from ruiji_server.store.snapshot import open_snapshot

__all__ = ["BuildProgress", "BuildSettings", "build_generation"]

LEAST_ITEMS = 2
"""Fewer have no neighbours."""


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """How a generation is built and what it must reach."""

    hnsw: HnswSettings = field(default_factory=HnswSettings)
    recall_target: float = 0.95
    """Recall at 20, without and with each price band, that the search's expansion is chosen to meet."""
    recall_floor: float = 0.85
    """A generation below this recall at 20, without a price band, is not published."""
    band_recall_floor: float = 0.85
    """Nor is one below this in any of the measured price bands,"""
    reachable_floor: float = 0.995
    """or one of which searches find a smaller share of the items than this."""
    recall_sample: int = 500
    """Items that recall is measured on."""
    expansion_ladder: tuple[int, ...] = (64, 96, 128, 192, 256, 384, 512)
    """Search expansions (ef) that are tried, ascending."""
    candidates: int = 100
    """Candidates that recall is measured with; those of the ranking policy."""
    neighbours: NeighbourTableSettings = field(default_factory=NeighbourTableSettings)
    """What the neighbour table holds."""
    seed: int = 0
    """Of the insertion order and the sample."""

    @property
    def floors(self) -> QualityFloors:
        """What is needed to be published."""
        return QualityFloors(self.recall_floor, self.band_recall_floor, self.reachable_floor)


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
        GenerationError: nothing is embedded yet, or there is no room.
        BelowFloor: the generation is too poor to be published; the one before it goes on.
        DirectoryBusy: another process builds for this encoder in this folder.
        UnknownEncoder: the encoder is not registered with the store.
    """
    with directory.building(encoder_id):
        remove_abandoned(directory)
        built_at = datetime.now(UTC)
        generation_id = new_generation_id(built_at)
        with _new_folder(directory, generation_id) as aside:
            build = _Build(aside, generation_id, built_at, encoder_id, settings, StageClock(progress))
            manifest = build.run(database)
            if missing := shortfalls(manifest.quality, settings.floors):
                raise BelowFloor(
                    f"{'; '.join(missing)}: not published. Raise connectivity or expansion_add, or check that the "
                    "projection includes its rotation"
                )
            directory.adopt(aside, generation_id)
    return manifest


@contextmanager
def _new_folder(directory: GenerationDirectory, generation_id: str) -> Iterator[Path]:
    """Yield a leased folder; remove it unless it was adopted."""
    aside = directory.root / f".{generation_id}"
    with new_folder(aside):
        try:
            yield aside
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
                raise
            raise GenerationError(f"there is no room for a generation in {directory.root}: {error.strerror}") from error
        finally:
            shutil.rmtree(aside, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _Source:
    """What was read from the store."""

    feed_position: int
    items: int
    on_sale: int
    dimensions: int


@dataclass(frozen=True, slots=True)
class _Build:
    """One build, in the order of its steps."""

    folder: Path
    generation_id: str
    built_at: datetime
    encoder_id: str
    settings: BuildSettings
    clock: StageClock

    def run(self, database: Database) -> GenerationManifest:
        """Fill the folder."""
        source = self._write_columns(database)
        columns = Columns(self.folder)
        scale = Int8Scale.fit(columns.embeddings)
        quality, expansion_search = self._build_graph(columns, scale)
        settings = self.settings
        if has_table := settings.neighbours.width > 0:
            quality = replace(quality, neighbours_recall=self._write_neighbours(columns))
        files = self._checksums(has_table=has_table)
        manifest = GenerationManifest(
            generation_id=self.generation_id,
            encoder_id=self.encoder_id,
            built_at=self.built_at.isoformat(timespec="seconds"),
            feed_position=source.feed_position,
            items=source.items,
            recommendable_items=source.on_sale,
            dimensions=source.dimensions,
            int8_factor=scale.factor,
            connectivity=settings.hnsw.connectivity,
            expansion_add=settings.hnsw.expansion_add,
            expansion_search=expansion_search,
            recall_target=settings.recall_target,
            seed=settings.seed,
            neighbours_within_ratio=settings.neighbours.max_price_ratio if has_table else None,
            quality=quality,
            build_seconds=self.clock.seconds,
            files=files,
        )
        write_manifest(self.folder, manifest)
        return manifest

    def _write_columns(self, database: Database) -> _Source:
        with open_snapshot(database, self.encoder_id) as snapshot:
            items = snapshot.count
            if items < LEAST_ITEMS:
                raise GenerationError(
                    f"encoder {self.encoder_id} has embedded {items} items; an index needs two at least. Import a "
                    "catalogue and run `ruiji worker` first"
                )
            with self.clock.stage("Read items", items) as advance:
                on_sale = write_columns(self.folder, snapshot.items(), items, snapshot.dimensions, advance)
            return _Source(snapshot.feed_position, items, on_sale, snapshot.dimensions)

    def _build_graph(self, columns: Columns, scale: Int8Scale) -> tuple[Quality, int]:
        """Write the graph; return how good it is, and its expansion."""
        settings = self.settings
        with self.clock.stage("Build graph", len(columns)) as advance:
            index = UsearchIndex.build(columns.embeddings, scale, settings.hnsw, seed=settings.seed, progress=advance)
        return self._measure_and_save(columns, scale, index), index.expansion_search

    def _measure_and_save(self, columns: Columns, scale: Int8Scale, index: UsearchIndex) -> Quality:
        """Choose how wide to search, repair, save; then measure what was saved, as a server will open it."""
        settings = self.settings
        with self.clock.stage("Find exact neighbours", 1) as advance:
            probes = draw_probes(
                columns, sample=settings.recall_sample, candidates=settings.candidates, seed=settings.seed
            )
            advance(1)
        with self.clock.stage("Choose expansion", 1) as advance:
            choose_expansion(columns, index, probes, target=settings.recall_target, ladder=settings.expansion_ladder)
            advance(1)
        lost, still_lost = repair_lost(index, columns.embeddings, settings.candidates, self.clock)
        path = self.folder / INDEX_FILE
        with self.clock.stage("Measure recall", 1) as advance:
            try:
                index.save(path)
            except RuntimeError as error:
                # usearch keeps the reason to itself.
                raise GenerationError(f"{path} could not be written; is the disk full?") from error
            saved = UsearchIndex.view(path, scale, expansion_search=index.expansion_search)
            recall = measure_recall(columns, saved, probes)
            advance(1)
        return Quality(
            recall_at_20=recall.recall_at_20,
            recall_queries=recall.queries,
            bands=recall.bands,
            reachable_share=1.0 - still_lost / len(columns),
            repaired=lost - still_lost,
        )

    def _write_neighbours(self, columns: Columns) -> float:
        """Write the neighbour table; return the share of the exact neighbours that it holds."""
        with self.clock.stage("Find neighbours", len(columns)) as advance:
            return write_neighbours(self.folder, columns, self.settings.neighbours, advance)

    def _checksums(self, *, has_table: bool) -> dict[str, FileEntry]:
        names = (*layout.FILES, INDEX_FILE, *([NEIGHBOURS, COSINES] if has_table else []))
        total = sum((self.folder / name).stat().st_size for name in names)
        with self.clock.stage("Checksums", total) as advance:
            return file_entries(self.folder, names, advance)
