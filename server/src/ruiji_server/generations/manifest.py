"""`manifest.json`: what a generation is, what it was built from, how good it is, and a checksum of every file.

Beside it stands `manifest.sha256`, the manifest's own checksum, in the form that `sha256sum -c` reads. So a change of
any byte of a generation is noticed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from ruiji_server.generations.errors import DamagedGeneration, GenerationError
from ruiji_server.generations.quality import BandRecall, Quality

FORMAT_VERSION: Final = 2
MANIFEST_FILE: Final = "manifest.json"
DIGEST_FILE: Final = "manifest.sha256"

_GENERATION_ID = re.compile(r"gen-[0-9]{8}T[0-9]{6}(\.[0-9]{3})?-[0-9a-f]{6}")
_FILE_NAME = re.compile(r"[a-z0-9_]+\.(npy|bin|json|usearch)")
_HASHED_AT_ONCE = 1 << 20
_REMEDY = "build a new generation with `ruiji index build`"


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a generation."""

    bytes: int
    """Its size."""
    sha256: str
    """Of its bytes, hexadecimal."""


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
    recall_target: float
    """The recall at 20 that it was chosen to meet, without a price band and with each."""
    seed: int
    neighbours_within_ratio: float | None
    """The price ratio of the neighbour table's bands; None if the generation has no table."""
    quality: Quality
    build_seconds: Mapping[str, float]
    """How long each stage of the build took, wall-clock."""
    files: Mapping[str, FileEntry]
    """By name."""

    @property
    def total_bytes(self) -> int:
        """Size of all its files but the manifest."""
        return sum(entry.bytes for entry in self.files.values())


def new_generation_id(begun_at: datetime) -> str:
    """Return an id for a generation that is begun; ids sort by that moment, to the millisecond."""
    return f"gen-{begun_at:%Y%m%dT%H%M%S}.{begun_at.microsecond // 1000:03d}-{secrets.token_hex(3)}"


def is_generation_id(text: str) -> bool:
    """Return whether a text has the form of a generation's id."""
    return _GENERATION_ID.fullmatch(text) is not None


def write_manifest(folder: Path, manifest: GenerationManifest) -> None:
    """Write `manifest.json` and its checksum; the last files of a generation to be written."""
    text = json.dumps({"format_version": FORMAT_VERSION, **asdict(manifest)}, indent=2) + "\n"
    for name, content in ((MANIFEST_FILE, text.encode()), (DIGEST_FILE, digest_line(text.encode()))):
        aside = folder / f".{name}"
        aside.write_bytes(content)
        aside.replace(folder / name)


def digest_line(manifest: bytes) -> bytes:
    """Return what `manifest.sha256` says about a manifest."""
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST_FILE}\n".encode()


def read_manifest(folder: Path) -> GenerationManifest:
    """Read a generation's manifest without looking at its other files.

    Raises:
        DamagedGeneration: it is missing, cannot be read, or differs from its checksum.
        GenerationError: it is of another format version.
    """
    try:
        content = (folder / MANIFEST_FILE).read_bytes()
    except OSError as error:
        raise DamagedGeneration(f"{folder} is no generation: {MANIFEST_FILE} is missing") from error
    try:
        digest = (folder / DIGEST_FILE).read_bytes()
    except FileNotFoundError:
        digest = b""
    return parse_manifest(content, digest, str(folder / MANIFEST_FILE))


def parse_manifest(content: bytes, digest: bytes, where: str) -> GenerationManifest:
    """Read a manifest from its bytes.

    Args:
        content: of `manifest.json`.
        digest: of `manifest.sha256`; nothing where the file is missing.
        where: the manifest's path or URL, for messages.

    Raises:
        DamagedGeneration: it cannot be read or differs from its checksum.
        GenerationError: it is of another format version.
    """
    try:
        raw: Any = json.loads(content)
        version = raw["format_version"]
        if digest != digest_line(content) and (digest or version == FORMAT_VERSION):
            raise DamagedGeneration(f"{where} is damaged: its checksum is not that of {DIGEST_FILE}; {_REMEDY}")
        if version != FORMAT_VERSION:
            raise GenerationError(
                f"{where} has format version {version}; this release reads {FORMAT_VERSION}: {_REMEDY}"
            )
        return _manifest(raw)
    except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise DamagedGeneration(f"{where} is damaged; {_REMEDY}") from error


def _manifest(raw: dict[str, Any]) -> GenerationManifest:
    values = {field.name: raw[field.name] for field in fields(GenerationManifest)}
    quality = dict(values["quality"])
    quality["bands"] = tuple(BandRecall(**band) for band in quality["bands"])
    values["quality"] = Quality(**quality)
    values["files"] = {name: FileEntry(**entry) for name, entry in values["files"].items()}
    # A manifest may come from elsewhere, and names become paths.
    for name in values["files"]:
        if _FILE_NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} is no file of a generation")
    return GenerationManifest(**values)


def file_entries(
    folder: Path, names: Sequence[str], done: Callable[[int], None] = lambda _: None
) -> dict[str, FileEntry]:
    """Return the size and checksum of files, by name; several are read at a time.

    Args:
        folder: where they are.
        names: which.
        done: told how many bytes were read since its last call, from several threads.

    Raises:
        OSError: one cannot be read.
    """
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        return dict(zip(names, pool.map(lambda name: _entry(folder / name, done), names), strict=True))


def verify_files(folder: Path, manifest: GenerationManifest, done: Callable[[int], None] = lambda _: None) -> None:
    """Compare every file with its size and checksum.

    Args:
        folder: of the generation.
        manifest: what it should hold.
        done: see `file_entries`.

    Raises:
        DamagedGeneration: a file is missing or differs; names it.
    """
    try:
        found = file_entries(folder, list(manifest.files), done)
    except OSError as error:
        raise DamagedGeneration(f"{error.filename} cannot be read: {error.strerror}; {_REMEDY}") from error
    for name, expected in manifest.files.items():
        if found[name] != expected:
            raise DamagedGeneration(f"{folder / name} is damaged: its checksum is not the manifest's; {_REMEDY}")


def _entry(path: Path, done: Callable[[int], None]) -> FileEntry:
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while block := file.read(_HASHED_AT_ONCE):
            digest.update(block)
            size += len(block)
            done(len(block))
    return FileEntry(size, digest.hexdigest())
