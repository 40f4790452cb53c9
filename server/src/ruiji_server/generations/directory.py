"""The folder of generations: publishing one atomically, and finding the one to serve.

`CURRENT.<encoder id>` holds the id of the published generation of that encoder; encoders are published side by side and
never stand in for each other. It is replaced by a rename, so a reader sees the old id or the new one. The first release
knew one encoder and wrote `CURRENT`, which counts until its encoder is published anew.

Folders whose names begin with a dot are no generations: one that is being built, fetched or removed, or was when its
process ended. Whoever works in a folder leases it (see `leases`).
"""

from __future__ import annotations

import logging
import os
from contextlib import AbstractContextManager
from pathlib import Path

from ruiji_server.generations.errors import DamagedGeneration, GenerationError, GenerationGone, NoGeneration
from ruiji_server.generations.generation import Generation, open_generation
from ruiji_server.generations.leases import lease, only_one
from ruiji_server.generations.manifest import MANIFEST_FILE, GenerationManifest, read_manifest

_LOG = logging.getLogger(__name__)
_CURRENT = "CURRENT"
_OPEN_ATTEMPTS = 5


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

    def require(self, encoder_id: str | None = None) -> str:
        """Return the id of an encoder's published generation; see `current_id`.

        Raises:
            NoGeneration: nothing was published yet.
            GenerationError: several encoders are published and none was named.
        """
        current = self.current_id(encoder_id)
        if current is None:
            raise NoGeneration(f"{self.root} has no published generation; build one with `ruiji index build`")
        return current

    def published(self) -> dict[str, str]:
        """Return the id of the published generation by encoder id, in the order of encoder ids."""
        found: dict[str, str] = {}
        before = _read(self.root / _CURRENT)
        if before is not None:
            try:
                found[read_manifest(self.folder(before)).encoder_id] = before
            except GenerationError as error:
                _LOG.warning("%s names generation %s, which is of no use: %s", self.root / _CURRENT, before, error)
        for pointer in self.root.glob(f"{_CURRENT}.*"):
            current = _read(pointer)
            if current is not None:
                found[pointer.name.removeprefix(f"{_CURRENT}.")] = current
        return dict(sorted(found.items()))

    def current_id(self, encoder_id: str | None = None) -> str | None:
        """Return the id of an encoder's published generation, or None if there is none.

        Args:
            encoder_id: which encoder; may be left out where no more than one is published.

        Raises:
            GenerationError: several encoders are published and none was named.
        """
        if encoder_id is not None:
            own = _read(self._pointer(encoder_id))
            return self.published().get(encoder_id) if own is None else own
        published = self.published()
        if len(published) > 1:
            raise GenerationError(f"{self.root} has generations of several encoders; name one: {', '.join(published)}")
        return next(iter(published.values()), None)

    def publish(self, generation_id: str) -> None:
        """Make a generation the one of its encoder that servers open. Durable and atomic.

        Raises:
            NoGeneration: there is no such generation.
            GenerationError: it cannot be used.
        """
        folder = self.folder(generation_id)
        try:
            held = lease(folder)
        except GenerationGone as error:
            raise NoGeneration(f"there is no generation {generation_id} in {self.root}") from error
        # Under the lease, so that no collector takes it away between the look at it and the pointer.
        with held:
            pointer = self._pointer(read_manifest(folder).encoder_id)
            aside = self.root / f".{pointer.name}.{os.getpid()}"
            with aside.open("w", encoding="utf-8") as file:
                file.write(generation_id + "\n")
                file.flush()
                os.fsync(file.fileno())
            aside.rename(pointer)
            fsync_folder(self.root)

    def withdraw(self, encoder_id: str, generation_id: str) -> None:
        """Publish nothing of an encoder any more, if that was published. Durable.

        Raises:
            DirectoryBusy: another process builds a generation of the encoder, or fetches one, and may publish it.
        """
        with self.building(encoder_id), self.fetching():
            for pointer in (self._pointer(encoder_id), self.root / _CURRENT):
                if _read(pointer) == generation_id:
                    pointer.unlink()
            fsync_folder(self.root)

    def adopt(self, aside: Path, generation_id: str) -> None:
        """Make a finished folder a generation, durably, and publish it."""
        _fsync_files(aside)
        aside.rename(self.folder(generation_id))
        fsync_folder(self.root)
        self.publish(generation_id)

    def building(self, encoder_id: str) -> AbstractContextManager[None]:
        """Keep other builders of an encoder away while the context lasts.

        Raises:
            DirectoryBusy: another process builds.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        return only_one(self.root / f".build.{encoder_id}.lock", f"building a generation of {encoder_id}")

    def fetching(self) -> AbstractContextManager[None]:
        """Keep others from fetching generations while the context lasts.

        Raises:
            DirectoryBusy: another process fetches.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        return only_one(self.root / ".pull.lock", "fetching generations")

    def open_current(self, encoder_id: str | None = None, *, verify: bool = True) -> Generation:
        """Open an encoder's published generation or, if it is damaged, the newest older one that is whole.

        Only a generation of the same encoder may stand in: its answers mean the same.

        Args:
            encoder_id: which encoder; may be left out where no more than one is published.
            verify: see `open_generation`.

        Raises:
            NoGeneration: nothing was published yet.
            DamagedGeneration: neither the published one nor any older one can be used.
            GenerationError: the published one is another encoder's, or several encoders are published and none was
                named.
        """
        for _ in range(_OPEN_ATTEMPTS):
            current = self.require(encoder_id)
            wanted = encoder_id or next(iter(self.published()))
            try:
                return _open_of(wanted, self.folder(current), verify=verify)
            except DamagedGeneration as damage:
                if isinstance(damage, GenerationGone) and self.current_id(wanted) != current:
                    # Another was published, and this one collected, since we looked.
                    continue
                _LOG.error("generation %s is refused: %s", current, damage)
                generation = self._stand_in(wanted, current, verify=verify)
                if generation is None:
                    raise
                return generation
        raise GenerationError(f"{self.root} is published to faster than a generation opens; build less often")

    def _stand_in(self, encoder_id: str, damaged: str, *, verify: bool) -> Generation | None:
        """Open the newest older generation of the encoder that is whole.

        Newest by what it knows of the catalogue, since clocks can be set back.
        """
        older = [found for found in self._manifests(encoder_id) if found.generation_id != damaged]
        for manifest in sorted(older, key=lambda found: (found.feed_position, found.generation_id), reverse=True):
            try:
                generation = _open_of(encoder_id, self.folder(manifest.generation_id), verify=verify)
            except GenerationError as error:
                _LOG.warning("generation %s cannot stand in: %s", manifest.generation_id, error)
                continue
            _LOG.warning("generation %s stands in for the damaged %s", manifest.generation_id, damaged)
            return generation
        return None

    def _manifests(self, encoder_id: str) -> list[GenerationManifest]:
        found: list[GenerationManifest] = []
        for generation_id in self.ids():
            try:
                manifest = read_manifest(self.folder(generation_id))
            except GenerationError as error:
                _LOG.warning("generation %s cannot be read: %s", generation_id, error)
                continue
            if manifest.encoder_id == encoder_id and manifest.generation_id == generation_id:
                found.append(manifest)
        return found

    def _pointer(self, encoder_id: str) -> Path:
        return self.root / f"{_CURRENT}.{encoder_id}"


def _open_of(encoder_id: str, folder: Path, *, verify: bool) -> Generation:
    # Before the files are mapped: vectors of another encoder are never within reach of a search.
    found = read_manifest(folder).encoder_id
    if found != encoder_id:
        raise GenerationError(
            f"{folder} is a generation of encoder {found}, not of {encoder_id}; build one with `ruiji index build "
            f"--encoder-id {encoder_id}`"
        )
    return open_generation(folder, verify=verify)


def _read(pointer: Path) -> str | None:
    try:
        return pointer.read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None


def fsync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fsync_files(folder: Path) -> None:
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    fsync_folder(folder)
