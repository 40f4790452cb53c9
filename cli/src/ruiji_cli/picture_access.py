"""Which pictures outside the store may be read. Apart from the options, for serving processes have none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ruiji_cli.failures import UsageProblem

if TYPE_CHECKING:
    from pathlib import Path

    from ruiji_server.embedding.picture_source import PictureSource


@dataclass(frozen=True, slots=True)
class PictureAccess:
    """Which pictures outside the store may be read. The server that checks URIs and the workers must agree on it."""

    folder: Path | None = None
    """Below which `file:` URIs may be read."""
    prefixes: tuple[str, ...] = ()
    """URL prefixes that may be fetched."""
    private: tuple[str, ...] = ()
    """Hosts and networks outside the public internet that may be fetched from."""

    @classmethod
    def of(cls, folder: Path | None, prefixes: list[str] | None, private: list[str] | None) -> PictureAccess:
        """Return what options say.

        Raises:
            UsageProblem: a prefix, host or network that is none.
        """
        access = cls(folder, tuple(prefixes or ()), tuple(private or ()))
        access.source()  # connects nowhere; a mistake should stop the start, and not the first picture
        return access

    def arguments(self) -> list[str]:
        """Return the options that say the same to another command."""
        folder = [] if self.folder is None else ["--pictures", str(self.folder)]
        prefixes = [part for prefix in self.prefixes for part in ("--picture-prefix", prefix)]
        return [*folder, *prefixes, *(part for host in self.private for part in ("--picture-private", host))]

    def source(self) -> PictureSource:
        """Open the places; close the source in the event loop that used it.

        Raises:
            UsageProblem: a prefix, host or network that is none.
        """
        from ruiji_server.embedding.picture_source import PictureSource

        try:
            return PictureSource(self.folder, prefixes=self.prefixes, private=self.private)
        except ValueError as error:
            raise UsageProblem(str(error)) from error
