"""A folder of generations behind a URL, laid out as on disk: `<id>/<file>` and `CURRENT.<encoder id>`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import fsspec

from ruiji_server.generations.errors import TravelError
from ruiji_server.generations.manifest import DIGEST_FILE, MANIFEST_FILE, is_generation_id

_POINTER: Final = "CURRENT."
_PART_BYTES: Final = 8 << 20
"""Size of one request. S3 takes at most 10,000 parts of a file, so 80 GB."""
_PARTS_AT_ONCE: Final = 4
_SMALL_BYTES: Final = 4 << 20
"""More than any pointer or manifest has."""

TRANSFER_BYTES: Final = _PART_BYTES * _PARTS_AT_ONCE
"""What one round of a download brings; twice as much is in memory at a time."""


class RemoteFolder:
    """Reads and writes generations through fsspec; files are whole only once their size is right."""

    def __init__(self, url: str) -> None:
        """Prepare a folder; nothing is asked of the other side yet.

        Raises:
            TravelError: no usable URL, or a package for its kind is missing.
        """
        self.url = url.rstrip("/")
        try:
            # Listings and connections of another use of the same URL are not to be shared.
            self._files, root = fsspec.url_to_fs(self.url, use_listings_cache=False, skip_instance_cache=True)
        except ImportError as error:
            raise TravelError(f"{self.url} needs a package that is not installed: {error}") from error
        except ValueError as error:
            raise TravelError(f"{self.url} is no URL that fsspec knows: {error}") from error
        self._root = str(root).rstrip("/")

    def published(self) -> dict[str, str]:
        """Return the id of the published generation by encoder id.

        Raises:
            TravelError: the folder cannot be read, or a pointer is damaged.
        """
        with self._failures():
            names = [name for name in self._names("") if name.startswith(_POINTER)]
        found: dict[str, str] = {}
        for name in names:
            text = self.read(name).decode(errors="replace")
            # The line break ends it: without one, somebody is still writing.
            if not text.endswith("\n") or not is_generation_id(text[:-1]):
                raise TravelError(f"{self.url}/{name} names no generation; push one again with `ruiji index push`")
            found[name.removeprefix(_POINTER)] = text[:-1]
        return found

    def generation_ids(self) -> list[str]:
        """Return the ids of all generations, whole or not, newest first."""
        with self._failures():
            return sorted(filter(is_generation_id, self._names("")), reverse=True)

    def publish(self, encoder_id: str, generation_id: str) -> None:
        """Make a generation the one that others fetch; its files are there already."""
        with self._failures():
            self._files.pipe_file(self._path(f"{_POINTER}{encoder_id}"), f"{generation_id}\n".encode())

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the size of each file in a folder, in bytes; nothing if there is no such folder."""
        with self._failures():
            try:
                entries = self._files.ls(self._path(folder), detail=True)
            except FileNotFoundError:
                return {}
            return {
                str(entry["name"]).rsplit("/", 1)[-1]: int(entry["size"])
                for entry in entries
                if entry["type"] == "file"
            }

    def read(self, name: str) -> bytes:
        """Return a small file."""
        with self._failures():
            content: bytes = self._files.cat_file(self._path(name), start=0, end=_SMALL_BYTES + 1)
        if len(content) > _SMALL_BYTES:
            raise TravelError(f"{self.url}/{name} is larger than it can be")
        return content

    def parts(self, name: str, start: int, size: int) -> Iterator[bytes]:
        """Yield a file from a position on, in parts, of which four are asked for at a time.

        Args:
            name: below the root.
            start: position to begin with.
            size: of the whole file, bytes.
        """
        path = self._path(name)
        for first in range(start, size, TRANSFER_BYTES):
            starts = list(range(first, min(first + TRANSFER_BYTES, size), _PART_BYTES))
            ends = [min(begin + _PART_BYTES, size) for begin in starts]
            with self._failures():
                parts = self._files.cat_ranges([path] * len(starts), starts, ends, on_error="raise")
            for begin, end, part in zip(starts, ends, parts, strict=True):
                if len(part) != end - begin:
                    raise TravelError(f"{self.url}/{name} ends before its {size} bytes; was it pushed completely?")
                yield part

    def write(self, source: Path, name: str) -> Iterator[int]:
        """Upload a file in parts; yield the size of each once it is on its way."""
        path = self._path(name)
        with self._failures(), source.open("rb") as file, self._open_new(path) as target:
            while part := file.read(_PART_BYTES):
                target.write(part)
                yield len(part)

    def remove(self, generation_id: str) -> None:
        """Remove a generation, its manifest first, so that what is left is no generation."""
        with self._failures():
            for name in (MANIFEST_FILE, DIGEST_FILE):
                path = self._path(f"{generation_id}/{name}")
                if self._files.exists(path):
                    self._files.rm_file(path)
            self._files.rm(self._path(generation_id), recursive=True)

    def _open_new(self, path: str) -> Any:  # noqa: ANN401  (fsspec has no type for its files)
        try:
            return self._files.open(path, "wb", block_size=_PART_BYTES)
        except FileNotFoundError:
            # Where folders have to be made. Object stores have none, and asking for one can need more rights.
            self._files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
            return self._files.open(path, "wb", block_size=_PART_BYTES)

    def _names(self, folder: str) -> list[str]:
        try:
            entries = self._files.ls(self._path(folder) if folder else self._root, detail=False)
        except FileNotFoundError:
            return []
        return [str(entry).rstrip("/").rsplit("/", 1)[-1] for entry in entries]

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise TravelError(f"{self.url} lacks a file: {error}") from error
        except OSError as error:
            raise TravelError(f"{self.url} cannot be used: {error}") from error
        except Exception as error:
            if not _is_of_transport(error):
                raise
            raise TravelError(f"{self.url} cannot be reached: {error}") from error


def _is_of_transport(error: Any) -> bool:  # noqa: ANN401  (of packages that may not be installed)
    """Return whether an exception is one of the packages that fsspec may use underneath."""
    packages = {kind.__module__.split(".")[0] for kind in type(error).__mro__}
    return not packages.isdisjoint(
        {"aiobotocore", "aiohttp", "botocore", "gcsfs", "google", "adlfs", "azure", "fsspec"}
    )
