"""Pictures in a folder, and never outside it."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from ruiji_server.domain.errors import Reason
from ruiji_server.importing.errors import RowFault, RowReason
from ruiji_server.importing.pictures.checks import check_size
from ruiji_server.importing.pictures.source import FoundPicture


class FolderSource:
    """A folder, with those below it."""

    def __init__(self, folder: Path) -> None:
        self._root = folder.resolve()

    def find(self, name: str) -> FoundPicture | None:
        """Return a picture; see `PictureSource.find`."""
        path = self._locate(name)
        if path is None:
            return None
        try:
            check_size(path.stat().st_size)
            return FoundPicture(path.read_bytes(), path)
        except OSError as error:
            raise RowFault(Reason.PICTURE_UNREADABLE, f"{name!r} cannot be read: {error.strerror}") from error

    def close(self) -> None:
        """Nothing is open between pictures."""

    def _locate(self, name: str) -> Path | None:
        for form in dict.fromkeys((name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name))):
            try:
                path = (self._root / form).resolve(strict=True)
            except (OSError, RuntimeError):  # absent, a name too long to exist, a folder closed to us, a loop of links
                continue
            if not path.is_relative_to(self._root):
                raise RowFault(RowReason.PICTURE_NAME_INVALID, f"{name!r} is a link out of the folder of pictures")
            if path.is_file():
                return path
        return None
