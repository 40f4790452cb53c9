"""Options that open places for pictures to lie in, and what they open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from ruiji_cli.failures import UsageProblem

if TYPE_CHECKING:
    from pathlib import Path

    from ruiji_server.embedding.picture_source import PictureSource

PicturePrefixes = Annotated[
    list[str] | None,
    typer.Option(
        "--picture-prefix",
        envvar="RUIJI_PICTURE_PREFIXES",
        help="Pictures whose URL begins like this may be fetched: https://images.example.com/, https:// for every "
        "public host, s3://bucket/folder/. Repeat it for several (in the environment, put spaces between them).",
    ),
]
PrivatePictures = Annotated[
    list[str] | None,
    typer.Option(
        "--picture-private",
        envvar="RUIJI_PICTURE_PRIVATE",
        help="Host name or network (10.1.0.0/16) outside the public internet that web pictures may come from; "
        "without it such addresses are refused. Repeat it for several.",
    ),
]


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
