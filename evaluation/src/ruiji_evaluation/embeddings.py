"""Features of many pictures by one encoder, kept on disk, so that each picture is embedded once.

The cache is keyed by contents: a folder for each encoder's key, and in it parts that list SHA-256 of picture files
beside their features. A killed run keeps its finished parts; another picture, encoder or preprocessing has another key.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ruiji_encoding.pictures import PictureError, decode_picture

from ruiji_evaluation.errors import EncoderUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ruiji_evaluation.encoders import PictureEncoder
    from ruiji_evaluation.pictures import PictureFiles

_LOG = logging.getLogger(__name__)

_BATCH = 32
"""Pictures that an encoder gets at once."""

_PART = 1024
"""Pictures in a part; a killed run loses one part at most."""


@dataclass(frozen=True, slots=True, eq=False)
class PictureSet:
    """Pictures by the SHA-256 of their files; equal files are one picture."""

    names: tuple[str, ...]
    """One name for each row."""
    digests: tuple[bytes, ...]
    """SHA-256 for each row."""


def find_pictures(
    names: Sequence[str], files: PictureFiles, *, progress: Callable[[int], None]
) -> tuple[PictureSet, NDArray[np.bool_]]:
    """Look up picture files and hash them.

    Returns:
        Those that exist, in order; and bool of shape (len(names),), true where a file exists.
    """
    found, digests = np.zeros(len(names), np.bool_), []
    for row, name in enumerate(names):
        content = files.read(name)
        if content is not None:
            found[row] = True
            digests.append(hashlib.sha256(content).digest())
        progress(1)
    kept = tuple(name for name, there in zip(names, found.tolist(), strict=True) if there)
    return PictureSet(kept, tuple(digests)), found


def embed(
    encoder: PictureEncoder,
    pictures: PictureSet,
    files: PictureFiles,
    cache: Path,
    *,
    progress: Callable[[int], None],
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the features of pictures, from the cache as far as it has them.

    Args:
        encoder: makes the others.
        pictures: from `find_pictures`.
        files: where they are.
        cache: folder for features of all encoders; made if absent.
        progress: told the number of pictures done since the last call.

    Returns:
        Features, shape (n, D), float32; and bool of shape (n,), false where a file is no complete picture and the
        features are zeros.

    Raises:
        EncoderUnavailable: the encoder answers with numbers that are not finite, or with another length than before.
    """
    folder = cache / re.sub(r"[^A-Za-z0-9.-]", "-", encoder.key)
    known = _load_parts(folder)
    missing = {
        digest: name for digest, name in zip(pictures.digests, pictures.names, strict=True) if digest not in known
    }
    progress(len(pictures.digests) - len(missing))
    todo = list(missing.items())
    for start in range(0, len(todo), _PART):
        part = _embed_part(encoder, todo[start : start + _PART], files, progress)
        _save_part(folder, part)
        known.update(part)
    length = max((len(vector) for vector in known.values() if vector is not None), default=0)
    features = np.zeros((len(pictures.digests), length), np.float32)
    readable = np.zeros(len(pictures.digests), np.bool_)
    for row, digest in enumerate(pictures.digests):
        vector = known[digest]
        if vector is not None:
            features[row], readable[row] = vector, True
    return features, readable


def _embed_part(
    encoder: PictureEncoder,
    todo: Sequence[tuple[bytes, str]],
    files: PictureFiles,
    progress: Callable[[int], None],
) -> dict[bytes, NDArray[np.float32] | None]:
    part: dict[bytes, NDArray[np.float32] | None] = {}
    for start in range(0, len(todo), _BATCH):
        batch = todo[start : start + _BATCH]
        decoded = {digest: pixels for digest, name in batch if (pixels := _decode(files.read(name))) is not None}
        part.update({digest: None for digest, _ in batch})
        if decoded:
            features = encoder.features(np.stack(list(decoded.values())))
            if not np.isfinite(features).all():
                raise EncoderUnavailable(f"{encoder.description} answers with numbers that are not finite")
            part.update(zip(decoded, features, strict=True))
        progress(len(batch))
    return part


def _decode(content: bytes | None) -> NDArray[np.uint8] | None:
    if content is None:
        return None
    try:
        return decode_picture(content)
    except PictureError:
        return None


def _load_parts(folder: Path) -> dict[bytes, NDArray[np.float32] | None]:
    known: dict[bytes, NDArray[np.float32] | None] = {}
    for path in sorted(folder.glob("*.npz")):
        try:
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as part:
                digests, readable, features = part["digests"], part["readable"], part["features"]
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
            _LOG.warning("%s is damaged (%s): its pictures are embedded again", path, error)
            path.unlink(missing_ok=True)
            continue
        for digest, usable, vector in zip(digests, readable.tolist(), features, strict=True):
            known[digest.tobytes()] = vector if usable else None
    return known


def _save_part(folder: Path, part: dict[bytes, NDArray[np.float32] | None]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    length = max((len(vector) for vector in part.values() if vector is not None), default=0)
    digests = np.frombuffer(b"".join(part), np.uint8).reshape(len(part), -1)
    rows = [vector if vector is not None else np.zeros(length, np.float32) for vector in part.values()]
    name = hashlib.sha256(digests.tobytes()).hexdigest()[:32]
    aside = folder / f".{name}.{os.getpid()}"
    with aside.open("wb") as file:
        np.savez(
            file,
            digests=digests,
            readable=np.array([vector is not None for vector in part.values()]),
            features=np.stack(rows),
        )
    aside.replace(folder / f"{name}.npz")
