"""Where a picture's bytes come from."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from ruiji_encoding.pictures import MAX_PICTURE_BYTES

from ruiji_server.domain.errors import InvalidArgument, Reason
from ruiji_server.domain.items import Picture, PictureContent


class PictureUnreachable(Exception):  # noqa: N818  (reads as what it says)
    """The picture's bytes could not be read; trying again may help. The message may be shown to callers."""


class PictureSource:
    """Reads pictures that came inline, or lie below one folder. Blocking; safe in several threads."""

    def __init__(self, folder: Path | None) -> None:
        """Allow `file:` URIs below a folder; with None, inline pictures only."""
        self._folder = None if folder is None else folder.resolve()

    def check_uri(self, uri: str, *, field: str) -> None:
        """Raise `InvalidArgument` unless the URI may be read; whether the file is there shows later."""
        try:
            self._path(uri)
        except ValueError as error:
            raise InvalidArgument(Reason.PICTURE_URI_INVALID, str(error), field=field) from error

    def read(self, picture: Picture) -> bytes:
        """Return the picture's file.

        Raises:
            PictureUnreachable: it cannot be read now.
        """
        if isinstance(picture, PictureContent):
            return picture.content
        try:
            path = self._path(picture.uri)
            with path.open("rb") as file:
                # One byte more than allowed is enough to be refused for it.
                return file.read(MAX_PICTURE_BYTES + 1)
        except ValueError as error:
            raise PictureUnreachable(str(error)) from error
        except OSError as error:
            raise PictureUnreachable(f"{picture.uri} cannot be read: {error.strerror}") from error

    def _path(self, uri: str) -> Path:
        if "\0" in uri or "%00" in uri:
            raise ValueError("the URI contains a NUL character")
        parts = urlsplit(uri)
        if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
            raise ValueError(f"{uri[:200]!r} is not a file: URI")
        if self._folder is None:
            raise ValueError("no folder of pictures is allowed; start with --pictures FOLDER")
        path = Path(unquote(parts.path)).resolve()
        if not path.is_relative_to(self._folder):
            raise ValueError(f"{uri[:200]!r} is outside the folder of pictures")
        return path
