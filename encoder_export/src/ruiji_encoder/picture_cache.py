"""Pictures decoded once into a memory-mapped file, so that each epoch costs memory bandwidth instead of decoding."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from ruiji_encoding.pictures import PICTURE_SIZE_PX, PREPROCESSING, PictureError, decode_picture

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def decode_pictures(
    files: Sequence[Path],
    cache: Path,
    *,
    threads: int = 1,
    progress: Callable[[int], None] | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Decode picture files, unless the cache holds exactly these already.

    Args:
        files: at least one, in the order wanted.
        cache: folder for the decoded pictures, 196,608 bytes each; made if absent. An entry belongs to these files by
            name, size and time of change, and to this preprocessing.
        threads: decoders; Pillow lets go of the GIL.
        progress: told the number of pictures done since the last call.

    Returns:
        The pixels, memory-mapped, shape (n, 256, 256, 3), uint8; and bool of shape (n,), false where a file is missing
        or no complete picture and the pixels are black.
    """
    entry = cache / _fingerprint(files)
    pixels_file, readable_file = entry.with_suffix(".rgb"), entry.with_suffix(".readable.npy")
    shape = (len(files), PICTURE_SIZE_PX, PICTURE_SIZE_PX, 3)
    if not pixels_file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        aside = entry.with_suffix(".partial")
        target = np.memmap(aside, dtype=np.uint8, mode="w+", shape=shape)
        readable = np.zeros(len(files), np.bool_)
        with ThreadPoolExecutor(threads) as pool:
            for row, pixels in enumerate(pool.map(_decode, files)):
                if pixels is not None:
                    target[row] = pixels
                    readable[row] = True
                if progress is not None:
                    progress(1)
        target.flush()
        np.save(readable_file, readable)
        # Last, because its presence says that the entry is complete.
        aside.rename(pixels_file)
    elif progress is not None:
        progress(len(files))
    return np.memmap(pixels_file, dtype=np.uint8, mode="r", shape=shape), np.load(readable_file)


def _decode(file: Path) -> NDArray[np.uint8] | None:
    try:
        return decode_picture(file.read_bytes())
    except (OSError, PictureError):
        return None


def _fingerprint(files: Sequence[Path]) -> str:
    digest = hashlib.sha256(PREPROCESSING.encode())
    for file in files:
        if file.exists():
            status = file.stat()
            digest.update(f"\n{file} {status.st_size} {status.st_mtime_ns}".encode())
        else:
            digest.update(f"\n{file} absent".encode())
    return digest.hexdigest()[:16]
