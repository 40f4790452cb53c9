"""Picture files by name, from folders, zip files and tar files, several readers at a time."""

from __future__ import annotations

import os
import tarfile
import zipfile
import zlib
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ruiji_encoder.errors import PairsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType


class PictureStore(Protocol):
    """Pictures by name."""

    def read(self, name: str) -> bytes | None:
        """Return a picture file's content; None if there is no such picture, and b"" if its archive is damaged."""
        ...


class FolderPictures:
    """The files below a folder, named from there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def read(self, name: str) -> bytes | None:
        """Return a file's content, or None where there is none, or where the name leads out of the folder."""
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder):
            return None
        try:
            return path.read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None


class ZipPictures:
    """The members of a zip file."""

    def __init__(self, path: Path, exits: ExitStack) -> None:
        try:
            self._file = exits.enter_context(zipfile.ZipFile(path))
        except zipfile.BadZipFile as error:
            raise PairsError(f"{path} is no zip file or is cut short: fetch it again") from error
        self._names = frozenset(self._file.namelist())

    def read(self, name: str) -> bytes | None:
        """Return a member's content; see `PictureStore.read`."""
        if name not in self._names:
            return None
        try:
            return self._file.read(name)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
            # Torn, or encrypted, or packed in a way that Python does not know: one picture is lost, not the set.
            return b""


class TarPictures:
    """The members of a tar file, found in one pass and then read where they lie.

    Attributes:
        members: the names of its files, in their order.
    """

    def __init__(self, path: Path, exits: ExitStack) -> None:
        self._places: dict[str, tuple[int, int]] = {}
        try:
            with tarfile.open(path, "r:") as archive:
                for member in archive:
                    if member.isfile():
                        self._places[member.name.removeprefix("./")] = (member.offset_data, member.size)
        except tarfile.ReadError as error:
            raise PairsError(
                f"{path} is no plain tar file or is cut short ({error}). Members are read where they lie, so a "
                "compressed one must be unpacked first: gunzip it"
            ) from error
        self._file = exits.enter_context(path.open("rb"))

    @property
    def members(self) -> Iterator[str]:
        """Names of all files, in order."""
        return iter(self._places)

    def read(self, name: str) -> bytes | None:
        """Return a member's content; see `PictureStore.read`."""
        place = self._places.get(name)
        if place is None:
            return None
        offset, size = place
        content = os.pread(self._file.fileno(), size, offset)
        return content if len(content) == size else b""


class PictureStores:
    """Several folders and archives as one; a name is looked for in their order. A context manager."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Open them.

        Raises:
            PairsError: one is missing, damaged, or neither folder nor zip nor tar.
        """
        with ExitStack() as exits:
            self._stores = [_opened(path, exits) for path in paths]
            self._exits = exits.pop_all()

    def read(self, name: str) -> bytes | None:
        """Return the content of the first picture of this name; see `PictureStore.read`."""
        for store in self._stores:
            content = store.read(name)
            if content is not None:
                return content
        return None

    def __enter__(self) -> PictureStores:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._exits.close()


def _opened(path: Path, exits: ExitStack) -> PictureStore:
    if path.is_dir():
        return FolderPictures(path)
    if not path.exists():
        raise PairsError(f"{path} is missing: pictures come from a folder, a zip or a tar file")
    if zipfile.is_zipfile(path) or path.suffix.lower() == ".zip":
        return ZipPictures(path, exits)
    return TarPictures(path, exits)
