"""What every place of pictures gives: a picture by its name, in any order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class FoundPicture:
    """A picture file out of a source."""

    content: bytes
    path: Path | None
    """Where it lies, with links resolved; None in an archive."""


class PictureSource(Protocol):
    """A place that has pictures by name."""

    def find(self, name: str) -> FoundPicture | None:
        """Return a picture by its `safe_name`, or None if it is not here.

        Raises:
            RowFault: it is here, but is too large, damaged, or leads out of the folder.
        """

    def close(self) -> None:
        """Close files, remove temporary ones."""
