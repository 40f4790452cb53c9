"""Pictures on web servers, fetched with limits on size, time, redirects and addresses."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import aiohttp
from aiohttp.resolver import ThreadedResolver
from ruiji_encoding.pictures import MAX_PICTURE_BYTES
from yarl import URL

from ruiji_server.domain.errors import Reason
from ruiji_server.embedding.pictures.addresses import AddressPolicy, is_address
from ruiji_server.embedding.pictures.failures import PictureRefused, PictureUnreachable, shown
from ruiji_server.embedding.pictures.place import PicturePlace, UrlPrefix, covered, has_dot_segment
from ruiji_server.embedding.pictures.resolver import GuardedResolver

_LOG = logging.getLogger(__name__)

_CHUNK_BYTES: Final = 64 * 1024
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MAY_PASS: Final = frozenset(
    {
        # Credentials are renewed, bots are let in again, uploads arrive after their listing.
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.MISDIRECTED_REQUEST,
        HTTPStatus.LOCKED,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)


@dataclass(frozen=True, slots=True)
class WebSettings:
    """How pictures are fetched from web servers."""

    total_s: float = 20.0
    """Longest time for a picture, redirects included."""
    connect_s: float = 5.0
    """Longest wait for a connection, name and TLS included."""
    max_redirects: int = 5
    """Hops that are followed."""
    connections: int = 32
    """At once, to all servers."""
    connections_per_host: int = 8
    """At once, to one server."""
    user_agent: str = "ruiji"
    """What the picture's server is told."""


class WebPlace(PicturePlace):
    """`http:` and `https:` URIs below allowed prefixes. Every hop of a redirect is checked like the first."""

    def __init__(self, prefixes: Sequence[UrlPrefix], addresses: AddressPolicy, settings: WebSettings) -> None:
        """Prepare; nothing is connected yet.

        Args:
            prefixes: what URIs must begin with.
            addresses: what may be connected to.
            settings: the limits.
        """
        self._prefixes = tuple(prefixes)
        self._addresses = addresses
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None

    def check(self, uri: str) -> None:
        """Refuse URIs that are not below a prefix; see `PicturePlace`."""
        self._checked(uri)

    async def read(self, uri: str) -> bytes:
        """Fetch the picture; see `PicturePlace`."""
        url = self._checked(uri)
        settings = self._settings
        try:
            async with asyncio.timeout(settings.total_s):
                for _ in range(settings.max_redirects + 1):
                    async with self._open_session().get(url, allow_redirects=False) as response:
                        if response.status not in _REDIRECTS:
                            return await _content(response, uri)
                        url = self._checked(str(url.join(_target(response, uri))))
        except TimeoutError as error:
            raise PictureUnreachable(f"{shown(uri)} took too long; at most {settings.total_s:g} s are given") from error
        except aiohttp.InvalidURL as error:
            raise PictureRefused(Reason.PICTURE_URI_INVALID, f"{shown(uri)} is no URL") from error
        except aiohttp.ClientConnectorDNSError as error:
            raise PictureUnreachable(f"the host of {shown(uri)} was not found") from error
        except (aiohttp.ClientError, OSError) as error:
            # What it says may name addresses of this network.
            _LOG.debug("%s: %s", uri, error)
            raise PictureUnreachable(f"the connection for {shown(uri)} failed") from error
        raise PictureRefused(Reason.PICTURE_REFUSED, f"{shown(uri)} redirects more than {settings.max_redirects} times")

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _checked(self, uri: str) -> URL:
        """Return the URL, parsed by what fetches it, so that the check and the fetch cannot read it differently."""
        try:
            url = URL(uri)
            scheme, host, port, path = url.scheme, url.host or "", url.port, url.path
        except ValueError as error:
            raise PictureRefused(Reason.PICTURE_URI_INVALID, f"{shown(uri)} is no URL") from error
        if url.user is not None or url.password is not None:
            raise PictureRefused(Reason.PICTURE_URI_INVALID, "the URI holds a name or password, which anyone could see")
        if has_dot_segment(uri.partition("?")[0]) or not covered(self._prefixes, scheme, host, port, path):
            raise PictureRefused(
                Reason.PICTURE_URI_INVALID, f"{shown(uri)} is below no prefix that --picture-prefix allows"
            )
        if is_address(host) and not (self._addresses.trusts(host) or self._addresses.permits(host)):
            raise self._addresses.refusal(host)
        return url

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            settings = self._settings
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=GuardedResolver(ThreadedResolver(), self._addresses),
                    limit=settings.connections,
                    limit_per_host=settings.connections_per_host,
                ),
                timeout=aiohttp.ClientTimeout(total=None, connect=settings.connect_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                # Pictures are compressed already; what claims to be compressed once more could unpack to any size.
                headers={"Accept-Encoding": "identity", "User-Agent": settings.user_agent},
                auto_decompress=False,
                trust_env=False,
            )
        return self._session


def _target(response: aiohttp.ClientResponse, uri: str) -> URL:
    location = response.headers.get("Location")
    if not location:
        raise PictureRefused(Reason.PICTURE_REFUSED, f"the server of {shown(uri)} redirects to nowhere")
    try:
        return URL(location)
    except ValueError as error:
        raise PictureRefused(Reason.PICTURE_REFUSED, f"the server of {shown(uri)} redirects to no URL") from error


async def _content(response: aiohttp.ClientResponse, uri: str) -> bytes:
    status = response.status
    if status in _MAY_PASS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        after = response.headers.get("Retry-After", "")
        raise PictureUnreachable(
            f"the server of {shown(uri)} answers {status}", retry_after_s=float(after) if after.isdecimal() else None
        )
    if status != HTTPStatus.OK:
        raise PictureRefused(Reason.PICTURE_REFUSED, f"the server of {shown(uri)} answers {status}")
    content = bytearray()
    # A length that was announced is not trusted: the stream is cut where it becomes too long.
    if (response.content_length or 0) <= MAX_PICTURE_BYTES:
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            content += chunk
            if len(content) > MAX_PICTURE_BYTES:
                break
        else:
            return bytes(content)
    raise PictureRefused(
        Reason.PICTURE_TOO_LARGE, f"{shown(uri)} has more than {MAX_PICTURE_BYTES} bytes, which are accepted at most"
    )
