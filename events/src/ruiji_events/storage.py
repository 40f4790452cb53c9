"""The folder of partitions, on a disk or in object storage, through fsspec."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Final

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from ruiji_events.errors import PartitionDamaged, PartitionError
from ruiji_events.journal_folder import sync_folder
from ruiji_events.schema import FORMAT_VERSION, VERSION_KEY
from ruiji_events.tables import Table

FILE_SUFFIX: Final = ".parquet"
_DAY_PREFIX: Final = "date="
_TRANSPORTS: Final = frozenset({"aiobotocore", "aiohttp", "botocore", "gcsfs", "google", "adlfs", "azure", "fsspec"})


class EventFolder:
    """Reads and writes the files of partitions, each as a whole: nobody ever sees half of one that was written here."""

    def __init__(self, url: str) -> None:
        """Prepare a folder; nothing is asked of the other side yet.

        Args:
            url: a folder, or any URL that fsspec knows, such as `s3://bucket/events`.

        Raises:
            PartitionError: no usable URL, or a package for its kind is missing.
        """
        self.url = url.rstrip("/") or "/"
        try:
            # Listings and connections of another use of the same URL are not to be shared.
            self.files, root = fsspec.url_to_fs(self.url, use_listings_cache=False, skip_instance_cache=True)
        except ImportError as error:
            raise PartitionError(f"{self.url} needs a package that is not installed: {error}") from error
        except ValueError as error:
            raise PartitionError(f"{self.url} is no URL that fsspec knows: {error}") from error
        self.root = str(root).rstrip("/")
        self.is_local = isinstance(self.files, LocalFileSystem)

    def days(self, table: Table) -> list[date]:
        """Return the days of which there is a partition, oldest first."""
        names = [name for name in self._names(str(table)) if name.startswith(_DAY_PREFIX)]
        try:
            return sorted(date.fromisoformat(name.removeprefix(_DAY_PREFIX)) for name in names)
        except ValueError as error:
            raise PartitionError(f"{self.url}/{table} has a folder that is no day: {error}") from error

    def names(self, table: Table, day: date) -> list[str]:
        """Return the names of a partition's files, without their suffix, sorted."""
        names = self._names(_partition(table, day))
        # Names that begin with a dot are being written.
        files = (name for name in names if name.endswith(FILE_SUFFIX) and not name.startswith("."))
        return sorted(name.removesuffix(FILE_SUFFIX) for name in files)

    def path(self, table: Table, day: date, name: str) -> str:
        """Return where a file is, as its file system names it."""
        return f"{self.root}/{_partition(table, day)}/{name}{FILE_SUFFIX}"

    def read(self, table: Table, day: date, name: str, columns: list[str] | None = None) -> pa.Table:
        """Return the rows of a file.

        Raises:
            PartitionDamaged: it is half written, or in another format.
        """
        path = self.path(table, day, name)
        with self._failures(), self.files.open(path, "rb") as file, _as_parquet(file, path) as parquet:
            return parquet.read(columns=columns)

    def rows(self, table: Table, day: date, name: str) -> int:
        """Return how many rows a file has, after a look at its end, where a half-written one is noticed.

        Raises:
            PartitionDamaged: it is half written, or in another format.
        """
        path = self.path(table, day, name)
        with self._failures(), self.files.open(path, "rb") as file, _as_parquet(file, path) as parquet:
            return int(parquet.metadata.num_rows)

    def write(self, table: Table, day: date, name: str, rows: pa.Table) -> None:
        """Write a file, in place of one of that name if there is one; durable afterwards.

        Args:
            table: whose schema, of this release or an older one, the rows have.
            day: which partition.
            name: of the file, without its suffix.
            rows: all it will hold.
        """
        sink = pa.BufferOutputStream()
        pq.write_table(rows, sink, compression="zstd")
        content = sink.getvalue().to_pybytes()
        path = self.path(table, day, name)
        with self._failures():
            if self.is_local:
                _replace(Path(path), content)
            else:
                # Object storage shows an object when it is whole.
                self.files.pipe_file(path, content)

    def remove(self, table: Table, day: date, name: str) -> None:
        """Remove a file; does nothing if there is none."""
        path = self.path(table, day, name)
        with self._failures():
            if self.files.exists(path):
                self.files.rm_file(path)

    def remove_day(self, table: Table, day: date) -> None:
        """Remove a partition with all its files."""
        path = f"{self.root}/{_partition(table, day)}"
        with self._failures():
            if self.files.exists(path):
                self.files.rm(path, recursive=True)

    def _names(self, folder: str) -> list[str]:
        with self._failures():
            try:
                entries = self.files.ls(f"{self.root}/{folder}", detail=False)
            except FileNotFoundError:
                return []
        return [str(entry).rstrip("/").rsplit("/", 1)[-1] for entry in entries]

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise PartitionError(f"{self.url} cannot be used: {error}") from error
        except Exception as error:
            packages = {kind.__module__.split(".")[0] for kind in type(error).__mro__}
            if packages.isdisjoint(_TRANSPORTS):
                raise
            raise PartitionError(f"{self.url} cannot be reached: {error}") from error


def _partition(table: Table, day: date) -> str:
    return f"{table}/{_DAY_PREFIX}{day.isoformat()}"


@contextmanager
def _as_parquet(file: Any, path: str) -> Iterator[pq.ParquetFile]:  # noqa: ANN401  (fsspec has no type for its files)
    try:
        parquet = pq.ParquetFile(file)
        version = (parquet.schema_arrow.metadata or {}).get(VERSION_KEY.encode(), b"none").decode()
    except pa.ArrowException as error:
        raise PartitionDamaged(
            f"{path} is no whole Parquet file ({error}). If its segment is still in the journal, "
            "`ruiji events compact` writes it anew; otherwise restore it from a backup, or move it away to do without"
        ) from error
    if version != str(FORMAT_VERSION):
        raise PartitionDamaged(
            f"{path} has version {version} of the events' format; this release reads {FORMAT_VERSION}. Move away what "
            "does not belong here"
        )
    try:
        yield parquet
    except pa.ArrowException as error:
        raise PartitionDamaged(f"{path} is damaged: {error}. Restore it from a backup, or move it away") from error


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Always the same name: what a process left that died here, the next one writes over.
    aside = path.with_name(f".{path.name}.new")
    try:
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    for folder in (path.parent, path.parent.parent, path.parent.parent.parent):
        sync_folder(folder)
