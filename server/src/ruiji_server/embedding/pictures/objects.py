"""Pictures in object storage, through fsspec."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

import fsspec
from ruiji_encoding.pictures import MAX_PICTURE_BYTES

from ruiji_server.domain.errors import Reason
from ruiji_server.embedding.pictures.failures import PictureRefused, PictureUnreachable, shown
from ruiji_server.embedding.pictures.place import PicturePlace, UrlPrefix, covered, has_dot_segment

_LOG = logging.getLogger(__name__)

OBJECT_SCHEMES: Final = {"s3": "pip install 'ruiji[s3]'", "gs": "pip install gcsfs", "abfs": "pip install adlfs"}
"""URI scheme to what brings its file system. Others of fsspec's are not taken: some wrap files and further URLs."""
_TIMEOUT_S: Final = 20.0


class ObjectPlace(PicturePlace):
    """URIs of one scheme of object storage, below allowed prefixes.

    Credentials, region and endpoint come from the environment, as the storage's own tools take them.
    """

    def __init__(self, scheme: str, prefixes: Sequence[UrlPrefix], *, timeout_s: float = _TIMEOUT_S) -> None:
        """Prepare; nothing is connected yet.

        Args:
            scheme: one of `OBJECT_SCHEMES`.
            prefixes: what URIs must begin with.
            timeout_s: longest time for a picture.

        Raises:
            ValueError: the file system of the scheme is not installed.
        """
        try:
            kind = fsspec.get_filesystem_class(scheme)
        except ImportError as error:
            raise ValueError(f"pictures at {scheme}:// need a package: {OBJECT_SCHEMES[scheme]}") from error
        self._scheme = scheme
        self._prefixes = tuple(prefixes)
        self._timeout_s = timeout_s
        self._kind = kind
        self._opened: Any = None

    def check(self, uri: str) -> None:
        """Refuse URIs that are not below a prefix; see `PicturePlace`."""
        self._path(uri)

    async def read(self, uri: str) -> bytes:
        """Read the object; see `PicturePlace`."""
        path = self._path(uri)
        try:
            async with asyncio.timeout(self._timeout_s):
                system = self._system()
                # fsspec keeps its connections in a loop of its own; cancelling here cancels there.
                reading = asyncio.run_coroutine_threadsafe(
                    system._cat_file(path, start=0, end=MAX_PICTURE_BYTES + 1), system.loop
                )
                return bytes(await asyncio.wrap_future(reading))
        except TimeoutError as error:
            raise PictureUnreachable(f"{shown(uri)} took too long; at most {self._timeout_s:g} s are given") from error
        except FileNotFoundError as error:
            raise PictureUnreachable(f"{shown(uri)} is not there") from error
        except PermissionError as error:
            raise PictureUnreachable(f"{shown(uri)} may not be read with the worker's credentials") from error
        except Exception as error:
            # Each storage brings a tree of exceptions of its own, which nothing here can name.
            _LOG.warning("%s cannot be read: %s: %s", shown(uri), type(error).__name__, error)
            raise PictureUnreachable(f"the storage of {shown(uri)} does not answer as it should") from error

    async def close(self) -> None:
        """Let the connections go; fsspec closes them with the file system."""
        self._opened = None

    def _system(self) -> Any:  # noqa: ANN401  (fsspec is untyped)
        if self._opened is None:
            # Not from fsspec's cache, which would keep it after `close`.
            self._opened = self._kind(skip_instance_cache=True)
        return self._opened

    def _path(self, uri: str) -> str:
        # Keys are taken as they are: nothing in them is an escape, a query or a fragment.
        scheme, _, path = uri.partition("://")
        bucket, _, key = path.partition("/")
        if not key or has_dot_segment(key) or not covered(self._prefixes, scheme, bucket.lower(), None, f"/{key}"):
            raise PictureRefused(
                Reason.PICTURE_URI_INVALID, f"{shown(uri)} is below no prefix that --picture-prefix allows"
            )
        return path
