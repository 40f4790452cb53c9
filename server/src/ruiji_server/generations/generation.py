"""An open generation: checked, memory-mapped, ready to search, and kept from being collected."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ruiji_server.columns.neighbours import NeighbourTable
from ruiji_server.columns.reader import Columns
from ruiji_server.generations.errors import DamagedGeneration
from ruiji_server.generations.leases import Lease, lease
from ruiji_server.generations.manifest import GenerationManifest, read_manifest, verify_files
from ruiji_server.index.quantisation import Int8Scale
from ruiji_server.index.usearch_index import UsearchIndex

INDEX_FILE = "index.usearch"
_OPENED_LATE_UP_TO = 2_000_000
"""Items of the largest index that a request may have to open: 0.1 s, in which others wait."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One immutable index with its columns."""

    folder: Path
    manifest: GenerationManifest
    columns: Columns
    index: UsearchIndex
    neighbours: NeighbourTable | None
    """Which a large generation does without."""
    lease: Lease
    """Keeps the folder from being collected until the last reference to the generation is gone."""


def open_generation(folder: Path, *, verify: bool = True) -> Generation:
    """Open a generation.

    Args:
        folder: of the generation.
        verify: compare every file with its checksum first. Skip it only where another process just did: a damaged
            index is not noticed by the library that reads it, and can end the process.

    Raises:
        GenerationGone: it was collected.
        DamagedGeneration: a file is missing or differs from its checksum.
        GenerationError: it was written by another release.
    """
    held = lease(folder)
    manifest = read_manifest(folder)
    if verify:
        verify_files(folder, manifest)
    try:
        columns = Columns(folder)
        ratio = manifest.neighbours_within_ratio
        neighbours = None if ratio is None else NeighbourTable.open(folder, ratio)
        index = UsearchIndex.view(
            folder / INDEX_FILE,
            Int8Scale(manifest.int8_factor),
            expansion_search=manifest.expansion_search,
            # Where the table answers, many processes never search. A file that was not verified is to fail here.
            at_once=neighbours is None or manifest.items > _OPENED_LATE_UP_TO or not verify,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise DamagedGeneration(
            f"{folder} cannot be opened; build a new generation with `ruiji index build`"
        ) from error
    rows = {len(columns), len(index), manifest.items}
    if neighbours is not None:
        rows.add(len(neighbours.rows))
    if len(rows) > 1:
        raise DamagedGeneration(
            f"{folder} does not hold together: {len(columns)} rows, {len(index)} indexed, {manifest.items} announced"
        )
    found = columns.embeddings.shape[1]
    if found != manifest.dimensions:
        raise DamagedGeneration(
            f"{folder} does not hold together: its vectors have {found} dimensions, {manifest.dimensions} are announced"
        )
    return Generation(folder, manifest, columns, index, neighbours, held)
