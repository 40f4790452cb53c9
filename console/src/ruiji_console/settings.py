"""What a console needs to know."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ruiji_client import ClientSettings

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """Whom a console asks, and who may ask it."""

    client: ClientSettings
    """The Ruiji server."""
    allowed_hosts: tuple[str, ...] = LOOPBACK_HOSTS
    """Names under which browsers may reach the console, without port. Others are refused, so that a page elsewhere
    cannot read it through a name of its own (DNS rebinding)."""
    picture_origins: tuple[str, ...] = ()
    """Origins such as `https://img.example.com` from which browsers may load pictures that lie outside the catalogue;
    none by default, and then such pictures are not shown."""
    held_uploads_bytes: int = field(default=128 * 2**20)
    """Memory for pictures that were uploaded as queries; the oldest go first."""
    held_thumbnails_bytes: int = field(default=64 * 2**20)
    """Memory for thumbnails."""

    def __post_init__(self) -> None:
        for origin in self.picture_origins:
            parts = urlsplit(origin)
            if parts.scheme not in {"http", "https"} or not parts.netloc or parts.geturl() != origin.rstrip("/"):
                raise ValueError(f"{origin!r} is no origin, such as 'https://img.example.com'")
            if parts.path or any(char in origin for char in " ;,'\""):
                raise ValueError(f"{origin!r} is more than an origin: leave out everything after the host and port")
