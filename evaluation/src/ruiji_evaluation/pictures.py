"""Picture files by name, from folders and zip files."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np
from ruiji_encoding.pictures import PictureError, decode_picture

from ruiji_evaluation.errors import NothingToEvaluate, StudyError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray


class Pictures(Protocol):
    """Where a report finds the pictures that it shows."""

    def read(self, name: str) -> bytes | None:
        """Return the file of this name, or None where there is none."""
        ...


class PictureFiles:
    """The picture files of one or more places; a name is looked for in each in turn."""

    def __init__(self, places: Sequence[Path]) -> None:
        """Open the places.

        Args:
            places: folders and zip files.

        Raises:
            StudyError: one is neither.
        """
        self._folders: list[Path] = []
        self._zips: list[zipfile.ZipFile] = []
        for place in places:
            if place.is_dir():
                self._folders.append(place.resolve())
                continue
            try:
                self._zips.append(zipfile.ZipFile(place))
            except (OSError, zipfile.BadZipFile) as error:
                self.close()
                raise StudyError(f"pictures: {place} is neither a folder nor a zip file ({error})") from error
        self._inside = {name: archive for archive in reversed(self._zips) for name in archive.namelist()}

    def read(self, name: str) -> bytes | None:
        """Return the file of this name, or None where no place has it."""
        for folder in self._folders:
            path = (folder / name).resolve()
            # Names come from a table: they may not lead out of the folder.
            if path.is_relative_to(folder) and path.is_file():
                return path.read_bytes()
        archive = self._inside.get(name)
        return archive.read(name) if archive is not None else None

    def names(self) -> list[str]:
        """Return the names of all files, sorted."""
        files = {
            str(path.relative_to(folder)) for folder in self._folders for path in folder.rglob("*") if path.is_file()
        }
        return sorted(files | {name for name in self._inside if not name.endswith("/")})

    def close(self) -> None:
        """Close the zip files."""
        for archive in self._zips:
            archive.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def decode_some(place: Path, count: int, *, progress: Callable[[int], None]) -> NDArray[np.uint8]:
    """Decode pictures of a folder or zip file, evenly spread over its names; what is no picture is passed over.

    Args:
        place: see `PictureFiles`.
        count: how many at most.
        progress: told the number of files tried since the last call.

    Returns:
        Shape (n, 256, 256, 3), uint8.

    Raises:
        NothingToEvaluate: there is no picture.
    """
    decoded = []
    with PictureFiles([place]) as files:
        names = files.names()
        spread = np.linspace(0, max(len(names) - 1, 0), num=min(count, len(names)), dtype=np.int64)
        for row in spread.tolist():
            try:
                decoded.append(decode_picture(files.read(names[row]) or b""))
            except PictureError:
                continue
            finally:
                progress(1)
    if not decoded:
        raise NothingToEvaluate(f"{place} holds no picture that can be read")
    return np.stack(decoded)
