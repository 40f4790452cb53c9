"""Why the bytes of a picture could not be had, and whether trying again can help."""

from __future__ import annotations

from ruiji_server.domain.errors import Reason


class PictureFailure(Exception):  # noqa: N818  (reads as what it says)
    """A picture whose bytes could not be read.

        PictureFailure
          PictureUnreachable    may pass: workers try again, later each time
          PictureRefused        stays as it is until the picture, its URI or the configuration changes

    Attributes:
        reason: stable, for programs.
        message: for people, callers included; holds no address of ours and nothing of the picture's server.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class PictureUnreachable(PictureFailure):
    """Trying again may help.

    Attributes:
        retry_after_s: the pause that the picture's server asks for; None where it says nothing.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(Reason.PICTURE_UNREACHABLE, message)
        self.retry_after_s = retry_after_s


class PictureRefused(PictureFailure):
    """Trying again cannot help."""


def shown(uri: str) -> str:
    """Return a URI as messages show it: without its query, which may hold a signature, and not endless."""
    return repr(uri.partition("?")[0][:200])
