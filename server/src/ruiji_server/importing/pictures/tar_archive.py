"""Pictures in a tar archive, compressed or not."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import IO, Final

from ruiji_encoding.pictures import MAX_PICTURE_BYTES

from ruiji_server.domain.errors import Reason
from ruiji_server.importing.errors import PictureSourceError, RowFault
from ruiji_server.importing.pictures.checks import check_size
from ruiji_server.importing.pictures.names import ArchiveIndex
from ruiji_server.importing.pictures.source import FoundPicture

_DAMAGE: Final = (OSError, EOFError, tarfile.TarError, zlib.error, lzma.LZMAError)
"""What reading damaged archives raises."""

_Decompressor = type[gzip.GzipFile] | type[bz2.BZ2File] | type[lzma.LZMAFile]

_DECOMPRESSORS: Final[dict[bytes, _Decompressor]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
"""By the first bytes of a compressed file."""


class TarSource:
    """A tar archive, indexed in one pass. A compressed one is unpacked into a temporary file by the same pass.

    Tables come in another order than archives, and going back in a compressed one means starting over.
    """

    def __init__(self, path: Path) -> None:
        """Read the index.

        Raises:
            PictureSourceError: not a tar, a damaged one, or one that does not fit into the temporary folder.
        """
        self._index = ArchiveIndex[tuple[int, int]]()
        try:
            decompress = _decompressor(path)
            # Open until close().
            self._file: IO[bytes] = path.open("rb") if decompress is None else tempfile.TemporaryFile()  # noqa: SIM115
        except OSError as error:
            raise PictureSourceError(f"{path} cannot be read: {error}") from error
        try:
            if decompress is None:
                with tarfile.open(fileobj=self._file, mode="r:") as tar:
                    self._read_index(tar, unpack=False)
            else:
                with decompress(path) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
                    self._read_index(tar, unpack=True)
        except _DAMAGE as error:
            self._file.close()
            raise PictureSourceError(
                f"{path} is no zip or tar archive, is damaged, or does not fit into the temporary folder: {error}"
            ) from error

    def find(self, name: str) -> FoundPicture | None:
        """Return a picture; see `PictureSource.find`."""
        place = self._index.find(name)
        if place is None:
            return None
        offset, size = place
        check_size(size)
        self._file.seek(offset)
        content = self._file.read(size)
        if len(content) < size:
            raise RowFault(Reason.PICTURE_UNREADABLE, f"{name!r} is cut short: the archive ends before it does")
        return FoundPicture(content, None)

    def close(self) -> None:
        """Close the archive, or remove what was unpacked."""
        self._file.close()

    def _read_index(self, tar: tarfile.TarFile, *, unpack: bool) -> None:
        while (member := tar.next()) is not None:
            if member.isreg() and not member.issparse():
                offset = self._unpack(tar, member) if unpack else member.offset_data
                self._index.add(member.name, (offset, member.size))
            elif member.islnk() and (place := self._index.find(member.linkname)) is not None:
                # tar writes the second of two hard-linked files as a reference to the first.
                self._index.add(member.name, place)
            # tarfile would keep every header, about 1 KB for each picture.
            tar.members.clear()  # type: ignore[attr-defined]  # typeshed leaves it out

    def _unpack(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> int:
        offset = self._file.tell()
        content = tar.extractfile(member)
        # What is too large is refused by its size when it is asked for, and need not fill the disk.
        if content is not None and member.size <= MAX_PICTURE_BYTES:
            shutil.copyfileobj(content, self._file)
        return offset


def _decompressor(path: Path) -> _Decompressor | None:
    # tarfile's own detection trips over damaged gzip headers, and its seekable mode may rewind for a single byte.
    with path.open("rb") as file:
        start = file.read(max(map(len, _DECOMPRESSORS)))
    for magic, decompressor in _DECOMPRESSORS.items():
        if start.startswith(magic):
            return decompressor
    return None
