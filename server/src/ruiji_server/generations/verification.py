"""Measuring a generation anew: checksums, recall, reachability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ruiji_server.generations.builder import BuildSettings
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.generation import open_generation
from ruiji_server.generations.manifest import GenerationManifest, read_manifest, verify_files
from ruiji_server.generations.progress import BuildProgress
from ruiji_server.generations.quality import Quality, shortfalls
from ruiji_server.generations.reachability import unreachable_rows
from ruiji_server.generations.recall import draw_probes, measure_recall


@dataclass(frozen=True, slots=True)
class Verification:
    """A generation whose every checksum holds, and how good it is now."""

    manifest: GenerationManifest
    measured: Quality
    """On other items than the build's sample, so that nothing was tuned on them. Nothing was repaired."""
    shortfalls: tuple[str, ...]
    """What is below its floor."""


def verify_generation(
    directory: GenerationDirectory, generation_id: str, settings: BuildSettings, progress: BuildProgress
) -> Verification:
    """Check every file of a generation, then measure it as the builder did.

    Args:
        directory: where it is.
        generation_id: which one.
        settings: sample, candidates and floors; the rest does not matter here.
        progress: told how the work goes.

    Raises:
        DamagedGeneration: a file is missing or differs from its checksum.
        GenerationError: it was written by another release.
    """
    folder = directory.folder(generation_id)
    manifest = read_manifest(folder)
    with progress.stage("Checksums", manifest.total_bytes) as advance:
        verify_files(folder, manifest, advance)
    generation = open_generation(folder, verify=False)
    columns, index = generation.columns, generation.index
    with progress.stage("Find exact neighbours", 1) as advance:
        probes = draw_probes(
            columns, sample=settings.recall_sample, candidates=settings.candidates, seed=settings.seed + 1
        )
        advance(1)
    with progress.stage("Measure recall", 1) as advance:
        recall = measure_recall(columns, index, probes)
        advance(1)
    rows = np.arange(len(columns), dtype=np.int64)
    with progress.stage("Sweep for lost items", len(rows)) as advance:
        lost = unreachable_rows(index, columns.embeddings, rows, settings.candidates, advance)
    measured = Quality(
        recall_at_20=recall.recall_at_20,
        recall_queries=recall.queries,
        bands=recall.bands,
        reachable_share=1.0 - len(lost) / len(rows),
        repaired=0,
    )
    return Verification(manifest, measured, tuple(shortfalls(measured, settings.floors)))
