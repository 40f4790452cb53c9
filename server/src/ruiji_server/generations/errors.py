"""What can be wrong with a generation."""

from __future__ import annotations


class GenerationError(Exception):
    """A generation that cannot be built, published, moved or used; the message says what to do."""


class DamagedGeneration(GenerationError):  # noqa: N818  (reads as what it says)
    """Files are missing, or their checksums are not those of the manifest. Such a generation is never served."""


class GenerationGone(DamagedGeneration):
    """The folder is not there any more: it was collected, or never was."""


class NoGeneration(GenerationError):  # noqa: N818
    """There is nothing to serve yet."""


class BelowFloor(GenerationError):  # noqa: N818
    """A new generation is worse than what may be published. The one before it goes on."""


class DirectoryBusy(GenerationError):  # noqa: N818
    """Another process does the same in the same folder."""


class TravelError(GenerationError):
    """What lies behind a URL cannot be reached, read or written."""
