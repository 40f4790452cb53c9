"""`manifest.json`: what a generation is, what it was built from, how good it is, and a checksum of every file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ruiji_server.generations.errors import DamagedGeneration, GenerationError

FORMAT_VERSION = 1
MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True, slots=True)
class Quality:
    """How good a generation's index is, measured when it was built."""

    recall_at_20: float
    """Share of the exact 20 nearest neighbours that a search for them finds, over a sample; 0 to 1."""
    recall_queries: int
    """Items in that sample."""
    reachable_share: float
    """Share of all items that a search with their own embedding finds, after repairs; 0 to 1."""
    repaired: int
    """Items that were not found at first and were added anew."""


@dataclass(frozen=True, slots=True)
class GenerationManifest:
    """What a generation is."""

    generation_id: str
    encoder_id: str
    """The encoder of all its embeddings."""
    built_at: str
    """ISO 8601, UTC."""
    feed_position: int
    """Every change of the catalogue up to here is in it."""
    items: int
    recommendable_items: int
    """Items on sale."""
    dimensions: int
    int8_factor: float
    """See `index.quantisation.Int8Scale`."""
    connectivity: int
    expansion_add: int
    expansion_search: int
    """What searches use (ef): the least that met the recall target, or the largest tried."""
    seed: int
    quality: Quality
    files: dict[str, str]
    """File name to SHA-256 of its bytes."""


def write_manifest(folder: Path, manifest: GenerationManifest) -> None:
    """Write `manifest.json`; the last file of a generation to be written."""
    text = json.dumps({"format_version": FORMAT_VERSION, **asdict(manifest)}, indent=2)
    (folder / MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> GenerationManifest:
    """Read a generation's manifest without looking at its other files.

    Raises:
        DamagedGeneration: it is missing or cannot be read.
        GenerationError: it is of another format version.
    """
    path = folder / MANIFEST_FILE
    try:
        raw: Any = json.loads(path.read_text(encoding="utf-8"))
        version = raw["format_version"]
        if version != FORMAT_VERSION:
            raise GenerationError(
                f"{path} has format version {version}; this release reads {FORMAT_VERSION}: build a new generation "
                "with `ruiji index build`"
            )
        values = {field.name: raw[field.name] for field in fields(GenerationManifest)}
        values["quality"] = Quality(**values["quality"])
        return GenerationManifest(**values)
    except FileNotFoundError as error:
        raise DamagedGeneration(f"{folder} is no generation: {MANIFEST_FILE} is missing") from error
    except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise DamagedGeneration(f"{path} is damaged; build a new generation with `ruiji index build`") from error


def verify_files(folder: Path, manifest: GenerationManifest) -> None:
    """Compare every file with its checksum.

    Raises:
        DamagedGeneration: a file is missing or differs; names it.
    """
    for name, expected in manifest.files.items():
        try:
            found = checksum(folder / name)
        except OSError as error:
            raise DamagedGeneration(
                f"{folder / name} cannot be read; build a new generation with `ruiji index build`"
            ) from error
        if found != expected:
            raise DamagedGeneration(
                f"{folder / name} is damaged: its checksum is not the manifest's; build a new generation with "
                "`ruiji index build`"
            )


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
