"""Names of picture files: made safe, and found below whatever folders an archive wraps around its pictures."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Generic, TypeVar

from ruiji_server.importing.errors import RowFault, RowReason

Place = TypeVar("Place")


def safe_name(name: str) -> str:
    r"""Return a relative path with `/` between its parts, whatever system wrote it (`.\a\b.jpg` gives `a/b.jpg`).

    Raises:
        RowFault: a URL, an absolute path, or one that climbs out of its folder.
    """
    if "://" in name:
        raise RowFault(
            RowReason.PICTURE_NAME_INVALID, f"{name[:80]!r} is a URL; pictures come from folders and archives"
        )
    parts = _parts(name)
    if not parts or ".." in parts or "\0" in name or re.match(r"[/\\]|[A-Za-z]:", name):
        raise RowFault(
            RowReason.PICTURE_NAME_INVALID, f"{name[:80]!r} is not a path below the folder or archive of pictures"
        )
    return "/".join(parts)


def _parts(name: str) -> list[str]:
    return [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]


class ArchiveIndex(Generic[Place]):
    """Where each picture of an archive lies.

    Archives wrap folders around pictures that tables seldom mention. A name is looked up from the archive's root, then
    from each folder down to the one that holds everything. Names compare in Unicode's NFC, because Macs write NFD.
    """

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}
        self._common: list[str] | None = None

    def __len__(self) -> int:
        return len(self._places)

    def add(self, name: str, place: Place) -> None:
        """Remember a file; of equal names the last counts, as when unpacking. What Finder adds is left out."""
        parts = _parts(unicodedata.normalize("NFC", name))
        if not parts or parts[0] == "__MACOSX" or parts[-1].startswith("."):
            return
        self._places["/".join(parts)] = place
        folders = parts[:-1]
        if self._common is None:
            self._common = folders
            return
        same = 0
        while same < min(len(self._common), len(folders)) and self._common[same] == folders[same]:
            same += 1
        del self._common[same:]

    def find(self, name: str) -> Place | None:
        """Return where a file lies, or None if it is not in the archive."""
        name = "/".join(_parts(unicodedata.normalize("NFC", name)))
        for prefix in self._prefixes():
            place = self._places.get(prefix + name)
            if place is not None:
                return place
        return None

    def _prefixes(self) -> Iterator[str]:
        prefix = ""
        yield prefix
        for folder in self._common or ():
            prefix += folder + "/"
            yield prefix
