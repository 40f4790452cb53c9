"""Folders and archives of pictures, told apart by their content and searched in order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ruiji_server.domain.errors import Reason
from ruiji_server.importing.errors import PictureSourceError, RowFault
from ruiji_server.importing.pictures import zip_archive
from ruiji_server.importing.pictures.folder import FolderSource
from ruiji_server.importing.pictures.names import safe_name
from ruiji_server.importing.pictures.source import FoundPicture, PictureSource
from ruiji_server.importing.pictures.tar_archive import TarSource


def open_picture_source(path: Path) -> PictureSource:
    """Open a folder, a zip, or a tar (plain, or compressed by gzip, bzip2 or xz); archives are told by their content.

    Raises:
        PictureSourceError: nothing is there, it is none of these, or it is damaged.
    """
    if path.is_dir():
        return FolderSource(path)
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except FileNotFoundError as error:
        raise PictureSourceError(f"there is no folder or archive {path}") from error
    except OSError as error:
        raise PictureSourceError(f"{path} cannot be read: {error.strerror}") from error
    # Not zipfile.is_zipfile: it looks at the end, and takes a tar with a zip inside for a zip.
    return zip_archive.ZipSource(path) if start in zip_archive.STARTS else TarSource(path)


class PictureSources:
    """Several sources that are searched in order."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Open them all.

        Raises:
            PictureSourceError: one of them cannot be opened.
        """
        self._sources: list[PictureSource] = []
        try:
            for path in paths:
                self._sources.append(open_picture_source(path))
        except PictureSourceError:
            self.close()
            raise

    def find(self, name: str) -> FoundPicture:
        """Return the picture of the first source that has the name.

        Raises:
            RowFault: none has it, or the one that has it cannot give it.
        """
        name = safe_name(name)
        for source in self._sources:
            found = source.find(name)
            if found is not None:
                return found
        raise RowFault(Reason.PICTURE_MISSING, f"no picture {name[:120]!r} in the folders and archives that were given")

    def close(self) -> None:
        """Close every source."""
        for source in self._sources:
            source.close()
