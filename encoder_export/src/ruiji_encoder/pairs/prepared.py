"""A prepared set of pairs, read: one folder, pictures in one memory-mapped file.

pairs.json       what it is, see `PreparedManifest`
pairs.parquet    id, titles, categories, side, group (smallest row of what must stay together), where it was read
pictures.bin     decoded pixels, 196,608 bytes each, or the picture files one after the other
offsets.npy      where each picture file begins, and the end of the last; only for files
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from ruiji_encoding.pictures import PICTURE_SIZE_PX, PREPROCESSING, decode_picture

from ruiji_encoder.errors import PairsError
from ruiji_encoder.pairs.splitting import Side

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

FORMAT_VERSION = 2
"""Of the folder."""

MANIFEST_FILE = "pairs.json"
PAIRS_FILE = "pairs.parquet"
PICTURES_FILE = "pictures.bin"
OFFSETS_FILE = "offsets.npy"

_PICTURE_SHAPE = (PICTURE_SIZE_PX, PICTURE_SIZE_PX, 3)


class Storage(StrEnum):
    """How pictures are kept."""

    PIXELS = "pixels"
    """Decoded: nothing to do while training, 197 GB for a million."""
    FILES = "files"
    """As they came: small, and decoded in every epoch."""


@dataclass(frozen=True, slots=True)
class PreparedManifest:
    """What a prepared set is."""

    format_version: int
    """Of the folder."""
    preprocessing: str
    """`ruiji_encoding.pictures.PREPROCESSING` of the day."""
    storage: Storage
    """How pictures are kept."""
    pairs: int
    """In all."""
    sides: dict[str, int]
    """Pairs of each side."""
    described: str
    """What the listings were, for people."""
    rules_sha256: str
    """Of the rules that titles went through."""
    settings: dict[str, Any]
    """Of sampling, splitting and nearness."""
    counts: dict[str, Any]
    """What became of every listing."""

    def as_json(self) -> dict[str, Any]:
        """Return what stands in `pairs.json`."""
        return asdict(self)


class PreparedPairs:
    """One side of a prepared set, as `catalogue.CaptionedPictures`.

    Attributes:
        manifest: of the whole set.
        ids: of the side's pairs, by row.
    """

    def __init__(self, folder: Path, side: Side | None, *, threads: int = 1) -> None:
        """Open a side; pictures stay on the disk.

        Args:
            folder: as `preparation.prepare_pairs` writes it.
            side: which; all pairs if None.
            threads: decoders, where the set keeps files.

        Raises:
            PairsError: the folder is no prepared set or is damaged, was decoded by other preprocessing, or the side
                is empty.
        """
        self.manifest = read_prepared_manifest(folder)
        self._threads = threads
        try:
            table = pq.read_table(folder / PAIRS_FILE)
        except (pa.ArrowInvalid, OSError) as error:
            raise PairsError(f"{folder / PAIRS_FILE} is missing or damaged: prepare the pairs again") from error
        sides = table.column("side").to_pylist()
        self._rows = np.array([row for row, of in enumerate(sides) if side is None or of == side], dtype=np.int64)
        if len(self._rows) == 0:
            raise PairsError(
                f"the {side} side of {folder} is empty: prepare it with more pairs or a larger share for that side"
            )
        chosen = table.take(pa.array(self._rows))
        self.ids: tuple[str, ...] = tuple(chosen.column("id").to_pylist())
        self._captions: list[tuple[str, ...]] = [
            (*row["titles"], *row["categories"]) for row in chosen.select(["titles", "categories"]).to_pylist()
        ]
        self._offsets: NDArray[np.int64] | None = None
        if self.manifest.storage is Storage.FILES:
            self._offsets = _load_offsets(folder, self.manifest)
        self._pictures = _map_pictures(folder / PICTURES_FILE, self.manifest, self._offsets)

    def __len__(self) -> int:
        return len(self._rows)

    def pictures(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return these pictures as RGB, shape (len(rows), 256, 256, 3), uint8."""
        places = self._rows[rows]
        if self._offsets is None:
            return np.asarray(self._pictures.reshape(-1, *_PICTURE_SHAPE)[places])
        files = [self._pictures[self._offsets[at] : self._offsets[at + 1]].tobytes() for at in places.tolist()]
        with ThreadPoolExecutor(self._threads) as pool:
            return np.stack(list(pool.map(decode_picture, files)))

    def captions(self, row: int) -> Sequence[str]:
        """Return the titles of a picture, then its categories."""
        return self._captions[row]


def is_prepared(folder: Path) -> bool:
    """Tell whether a folder says of itself that it is a prepared set."""
    return (folder / MANIFEST_FILE).is_file()


def read_prepared_manifest(folder: Path) -> PreparedManifest:
    """Read `pairs.json`.

    Raises:
        PairsError: it is missing, damaged, or of another format version or preprocessing.
    """
    path = folder / MANIFEST_FILE
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        if fields["format_version"] != FORMAT_VERSION:
            raise PairsError(
                f"{path} has format version {fields['format_version']}; this release reads {FORMAT_VERSION}"
            )
        manifest = PreparedManifest(**{**fields, "storage": Storage(fields["storage"])})
    except FileNotFoundError as error:
        raise PairsError(f"{path} is missing: make a prepared set with `ruiji encoder pairs`") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PairsError(f"{path} is no description of a prepared set ({error}): prepare the pairs again") from error
    if manifest.storage is Storage.PIXELS and manifest.preprocessing != PREPROCESSING:
        raise PairsError(
            f"{folder} was decoded by {manifest.preprocessing}, and serving decodes by {PREPROCESSING}: "
            "prepare it again"
        )
    return manifest


def _load_offsets(folder: Path, manifest: PreparedManifest) -> NDArray[np.int64]:
    path = folder / OFFSETS_FILE
    try:
        offsets: NDArray[np.int64] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise PairsError(f"{path} is missing or damaged: prepare the pairs again") from error
    if offsets.shape != (manifest.pairs + 1,):
        raise PairsError(f"{path} is of another set of pairs: prepare the pairs again")
    return offsets


def _map_pictures(path: Path, manifest: PreparedManifest, offsets: NDArray[np.int64] | None) -> NDArray[np.uint8]:
    expected = manifest.pairs * int(np.prod(_PICTURE_SHAPE)) if offsets is None else int(offsets[-1])
    actual = path.stat().st_size if path.is_file() else -1
    if actual != expected:
        state = "is missing" if actual < 0 else f"has {actual:,} bytes instead of {expected:,}"
        raise PairsError(f"{path} {state}: prepare the pairs again")
    return np.memmap(path, dtype=np.uint8, mode="r")
