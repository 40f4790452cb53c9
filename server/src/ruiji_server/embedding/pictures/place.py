"""The interface of the places where pictures lie, and the list of URL prefixes that opens them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class PicturePlace(ABC):
    """Where pictures of some URI schemes lie. Use within one event loop; reads may run side by side."""

    @abstractmethod
    def check(self, uri: str) -> None:
        """Raise `PictureRefused` unless the URI may be read; asks nobody, so whether a picture is there shows later."""

    @abstractmethod
    async def read(self, uri: str) -> bytes:
        """Return the picture's file, or one byte more than a picture may have, which is enough to refuse it for.

        Raises:
            PictureUnreachable: it cannot be read now.
            PictureRefused: it may not be read, or never will be there.
        """

    @abstractmethod
    async def close(self) -> None:
        """Give connections up."""


@dataclass(frozen=True, slots=True)
class UrlPrefix:
    """What a URL must begin with, compared part by part: `https://shop.example` does not open `shop.example.org`."""

    scheme: str
    host: str
    """Or the bucket; empty for any."""
    port: int | None
    """None where the scheme's default, or any host, is meant."""
    path: str
    """Without a slash at its end; whole names only."""

    def covers(self, scheme: str, host: str, port: int | None, path: str) -> bool:
        """Return whether a URL of these parts begins like this."""
        if scheme != self.scheme:
            return False
        if self.host and (host, port) != (self.host, self.port):
            return False
        return path == self.path or path.startswith(f"{self.path}/")


def parse_prefix(text: str) -> UrlPrefix:
    """Return the prefix that a setting such as `s3://bucket/pictures/` or `https://` means.

    Raises:
        ValueError: not a URL prefix; the message says what is wrong.
    """
    scheme, separator, rest = text.partition("://")
    if not separator or not scheme or scheme != scheme.lower():
        raise ValueError(f"{text!r} is no URL prefix; examples are https://images.example.com/ and s3://bucket/folder/")
    parts = urlsplit(text)
    if rest and not parts.hostname:
        raise ValueError(f"{text!r} names no host or bucket")
    if parts.query or parts.fragment or "@" in parts.netloc or has_dot_segment(parts.path):
        raise ValueError(f"{text!r} must be scheme, host and path only, without '..'")
    return UrlPrefix(scheme, parts.hostname or "", effective_port(scheme, parts.port), parts.path.rstrip("/"))


def covered(prefixes: Iterable[UrlPrefix], scheme: str, host: str, port: int | None, path: str) -> bool:
    """Return whether one of the prefixes opens a URL of these parts."""
    return any(prefix.covers(scheme, host, effective_port(scheme, port), path) for prefix in prefixes)


def effective_port(scheme: str, port: int | None) -> int | None:
    """Return the port that is meant, or None for a scheme that has none."""
    return _DEFAULT_PORTS.get(scheme) if port is None else port


def has_dot_segment(path: str) -> bool:
    """Return whether a path steps upwards somewhere, escaped or not, by which it could leave its prefix."""
    return not {".", ".."}.isdisjoint(unquote(path).replace("\\", "/").split("/"))
