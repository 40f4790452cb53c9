"""What can be wrong with a generation."""

from __future__ import annotations


class GenerationError(Exception):
    """A generation that cannot be built, published or used; the message says what to do."""


class DamagedGeneration(GenerationError):  # noqa: N818  (reads as what it says)
    """Files are missing, or their checksums are not those of the manifest. Such a generation is never served."""


class NoGeneration(GenerationError):  # noqa: N818
    """There is nothing to serve yet."""
