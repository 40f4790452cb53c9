"""Where a picture's bytes come from: with the item, or from the place that its URI's scheme names.

Nothing outside the store is read unless the installation opened it: one folder for `file:`, URL prefixes for
everything else.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from ruiji_server.domain.errors import InvalidArgument, Reason
from ruiji_server.domain.items import Picture, PictureContent
from ruiji_server.embedding.pictures.addresses import AddressPolicy
from ruiji_server.embedding.pictures.failures import PictureFailure, PictureRefused, PictureUnreachable
from ruiji_server.embedding.pictures.files import FilePlace
from ruiji_server.embedding.pictures.place import PicturePlace, UrlPrefix, parse_prefix

if TYPE_CHECKING:
    from ruiji_server.embedding.pictures.web import WebSettings

__all__ = ["PictureFailure", "PictureRefused", "PictureSource", "PictureUnreachable"]

MAX_URI_CHARS: Final = 2_000
"""Longest URI of a picture."""
_WEB_SCHEMES: Final = ("https", "http")


class PictureSource:
    """Reads pictures. Use `read` within one event loop, and close it there, or use it as a context."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        prefixes: Sequence[str] = (),
        private: Sequence[str] = (),
        web: WebSettings | None = None,
    ) -> None:
        """Open places; without arguments, pictures that came inline are all there is.

        Args:
            folder: below which `file:` URIs may be read.
            prefixes: URL prefixes that may be read, such as `https://images.example.com/`, `https://` or
                `s3://bucket/pictures/`.
            private: host names and networks outside the public internet that web pictures may come from.
            web: limits for pictures on web servers.

        Raises:
            ValueError: a prefix, host or network that is none, or of a scheme that is not supported.
        """
        self._places: dict[str, PicturePlace] = {"file": FilePlace(folder)}
        by_scheme: dict[str, list[UrlPrefix]] = {}
        for text in prefixes:
            prefix = parse_prefix(text)
            by_scheme.setdefault(prefix.scheme, []).append(prefix)
        addresses = AddressPolicy(private)
        web_prefixes = [prefix for scheme in _WEB_SCHEMES for prefix in by_scheme.pop(scheme, [])]
        # What fetches them takes 8 MB, so it is loaded only where it is needed.
        if web_prefixes:
            from ruiji_server.embedding.pictures.web import WebPlace, WebSettings

            web_place = WebPlace(web_prefixes, addresses, web or WebSettings())
            self._places |= dict.fromkeys(_WEB_SCHEMES, web_place)
        if by_scheme:
            self._open_storages(by_scheme)

    def _open_storages(self, by_scheme: Mapping[str, Sequence[UrlPrefix]]) -> None:
        from ruiji_server.embedding.pictures.objects import OBJECT_SCHEMES, ObjectPlace

        for scheme, of_scheme in by_scheme.items():
            if scheme not in OBJECT_SCHEMES:
                known = ", ".join((*_WEB_SCHEMES, *OBJECT_SCHEMES))
                raise ValueError(f"pictures at {scheme}:// are not supported; there are {known}, and --pictures")
            self._places[scheme] = ObjectPlace(scheme, of_scheme)

    def check_uri(self, uri: str, *, field: str) -> None:
        """Raise `InvalidArgument` unless the URI may be read; whether the picture is there shows later."""
        try:
            self._place(uri).check(uri)
        except PictureRefused as error:
            raise InvalidArgument(error.reason, error.message, field=field) from error

    async def read(self, picture: Picture) -> bytes:
        """Return the picture's file, or one byte more than a picture may have.

        Raises:
            PictureUnreachable: it cannot be read now.
            PictureRefused: it may not be read, or never will be there.
        """
        if isinstance(picture, PictureContent):
            return picture.content
        return await self._place(picture.uri).read(picture.uri)

    async def close(self) -> None:
        """Close every connection."""
        async with AsyncExitStack() as stack:
            for place in set(self._places.values()):
                stack.push_async_callback(place.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.close()

    def _place(self, uri: str) -> PicturePlace:
        if len(uri) > MAX_URI_CHARS:
            raise PictureRefused(
                Reason.PICTURE_URI_INVALID,
                f"the URI has {len(uri)} characters; at most {MAX_URI_CHARS} are accepted",
            )
        # Parsers drop some of these and keep others; nobody needs one.
        if "\\" in uri or any(unicodedata.category(char) in {"Cc", "Zs", "Zl", "Zp"} for char in uri):
            raise PictureRefused(
                Reason.PICTURE_URI_INVALID, "the URI contains a space, backslash or control character; escape it"
            )
        scheme = uri.partition(":")[0]
        place = self._places.get(scheme)
        if place is None:
            raise PictureRefused(
                Reason.PICTURE_URI_INVALID,
                f"pictures at {scheme[:20]!r} are not read here; start with --picture-prefix to allow them",
            )
        return place
