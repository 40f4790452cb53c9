"""Pictures in files below one folder."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ruiji_encoding.pictures import MAX_PICTURE_BYTES

from ruiji_server.domain.errors import Reason
from ruiji_server.embedding.pictures.failures import PictureRefused, PictureUnreachable, shown
from ruiji_server.embedding.pictures.place import PicturePlace


class FilePlace(PicturePlace):
    """`file:` URIs. A file that is not there may still come: it is unreachable, not refused."""

    def __init__(self, folder: Path | None) -> None:
        """Allow what lies below a folder, symbolic links followed; with None, nothing."""
        self._folder = None if folder is None else folder.resolve()

    def check(self, uri: str) -> None:
        """Refuse what lies elsewhere; see `PicturePlace`."""
        self._path(uri)

    async def read(self, uri: str) -> bytes:
        """Return the file; see `PicturePlace`."""
        return await asyncio.to_thread(self._read, uri)

    async def close(self) -> None:
        """Do nothing: no file stays open."""

    def _read(self, uri: str) -> bytes:
        path = self._path(uri)
        try:
            if path.exists() and not path.is_file():
                # Opening a named pipe would wait for ever.
                raise PictureRefused(Reason.PICTURE_URI_INVALID, f"{shown(uri)} is no file")
            with path.open("rb") as file:
                return file.read(MAX_PICTURE_BYTES + 1)
        except OSError as error:
            raise PictureUnreachable(f"{shown(uri)} cannot be read: {error.strerror}") from error

    def _path(self, uri: str) -> Path:
        parts = urlsplit(uri)
        if parts.netloc not in ("", "localhost"):
            raise PictureRefused(Reason.PICTURE_URI_INVALID, f"{shown(uri)} is on another host; mount its folder here")
        if self._folder is None:
            raise PictureRefused(
                Reason.PICTURE_URI_INVALID, "no folder of pictures is allowed; start with --pictures FOLDER"
            )
        try:
            path = Path(unquote(parts.path)).resolve()
        except (OSError, ValueError, RuntimeError) as error:
            # A NUL character, or links that lead in a circle.
            raise PictureRefused(Reason.PICTURE_URI_INVALID, f"{shown(uri)} is no usable path") from error
        if not path.is_relative_to(self._folder):
            raise PictureRefused(Reason.PICTURE_URI_INVALID, f"{shown(uri)} is outside the folder of pictures")
        return path
