"""The folder of generations: publishing one atomically, and finding the one to serve.

`CURRENT` holds the id of the published generation. It is replaced by a rename, so a reader sees the old id or the new
one. Folders whose names begin with a dot are still being built, or were given up.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from ruiji_server.generations.errors import DamagedGeneration, GenerationError, NoGeneration
from ruiji_server.generations.generation import Generation, open_generation
from ruiji_server.generations.manifest import MANIFEST_FILE

_LOG = logging.getLogger(__name__)
_CURRENT = "CURRENT"


class GenerationDirectory:
    """Generations of one deployment, side by side in one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, generation_id: str) -> Path:
        """Return where a generation is, or would be."""
        return self.root / generation_id

    def ids(self) -> list[str]:
        """Return the ids of all complete generations, newest first (ids begin with their time)."""
        return sorted((path.parent.name for path in self.root.glob(f"[!.]*/{MANIFEST_FILE}")), reverse=True)

    def current_id(self) -> str | None:
        """Return the id of the published generation, or None if there is none."""
        try:
            return (self.root / _CURRENT).read_text(encoding="utf-8").strip() or None
        except FileNotFoundError:
            return None

    def publish(self, generation_id: str) -> None:
        """Make a generation the one that servers open. Durable and atomic.

        Raises:
            NoGeneration: there is no such generation.
        """
        if not (self.folder(generation_id) / MANIFEST_FILE).exists():
            raise NoGeneration(f"there is no generation {generation_id} in {self.root}")
        aside = self.root / f".{_CURRENT}.{os.getpid()}"
        with aside.open("w", encoding="utf-8") as file:
            file.write(generation_id + "\n")
            file.flush()
            os.fsync(file.fileno())
        aside.rename(self.root / _CURRENT)
        fsync_folder(self.root)

    def open_current(self, *, verify: bool = True) -> Generation:
        """Open the published generation or, if it is damaged, the newest older one that is whole.

        Only a generation of the same encoder may stand in: its answers mean the same.

        Raises:
            NoGeneration: nothing was published yet.
            DamagedGeneration: neither the published one nor any older one can be used.
        """
        current = self.current_id()
        if current is None:
            raise NoGeneration(f"{self.root} has no published generation; build one with `ruiji index build`")
        try:
            return open_generation(self.folder(current), verify=verify)
        except DamagedGeneration as damage:
            _LOG.error("generation %s is refused: %s", current, damage)
            for older in self.ids():
                if older < current:
                    try:
                        generation = open_generation(self.folder(older), verify=verify)
                    except GenerationError as error:
                        _LOG.warning("generation %s cannot stand in: %s", older, error)
                        continue
                    _LOG.warning("generation %s stands in for the damaged %s", older, current)
                    return generation
            raise


def fsync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
