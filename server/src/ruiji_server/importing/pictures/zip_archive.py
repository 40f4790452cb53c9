"""Pictures in a zip archive."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from pathlib import Path
from typing import Final

from ruiji_server.domain.errors import Reason
from ruiji_server.importing.errors import PictureSourceError, RowFault
from ruiji_server.importing.pictures.checks import check_size
from ruiji_server.importing.pictures.names import ArchiveIndex
from ruiji_server.importing.pictures.source import FoundPicture

STARTS: Final = (b"PK\x03\x04", b"PK\x05\x06")
"""First bytes of a zip: a file in it, or the end of an empty one."""

_ENCRYPTED: Final = 0x1
"""Bit of an entry's flags."""

_DAMAGE: Final = (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError)
"""What reading damaged or unusual archives raises."""


class ZipSource:
    """A zip archive, which has an index of its own."""

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except _DAMAGE as error:
            raise PictureSourceError(f"{path} is a damaged zip archive: {error}") from error
        self._index = ArchiveIndex[zipfile.ZipInfo]()
        for info in self._zip.infolist():
            # Not info.is_dir(): it fails on the empty name of a damaged entry.
            if not info.filename.endswith("/"):
                self._index.add(info.filename, info)

    def find(self, name: str) -> FoundPicture | None:
        """Return a picture; see `PictureSource.find`."""
        info = self._index.find(name)
        if info is None:
            return None
        check_size(info.file_size)
        if info.flag_bits & _ENCRYPTED:
            raise RowFault(Reason.PICTURE_UNREADABLE, f"{name!r} is encrypted: unpack the archive first")
        try:
            with self._zip.open(info) as file:
                # Asked for by size: a read of everything would unpack a bomb before it is measured.
                return FoundPicture(file.read(info.file_size + 1), None)
        except _DAMAGE as error:
            raise RowFault(Reason.PICTURE_UNREADABLE, f"{name!r} cannot be unpacked: {error}") from error

    def close(self) -> None:
        """Close the archive."""
        self._zip.close()
