"""Collecting old generations, and what processes left behind that ended in the middle of something.

A generation goes by a rename to a name that begins with a dot, under the exclusive lock that nobody gets while another
process of this machine uses the folder; then its files are removed. A collector that dies in between leaves a folder
that is no generation, and the next one removes it.

A retired encoder answers nothing and cannot be rolled back to, so nothing of it is kept by count, and what is published
of it is withdrawn first. Should it be revived, its generation is built anew.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ruiji_server.generations.directory import GenerationDirectory, fsync_folder
from ruiji_server.generations.errors import DamagedGeneration, DirectoryBusy, GenerationError
from ruiji_server.generations.leases import lease_to_remove
from ruiji_server.generations.manifest import GenerationManifest, read_manifest

_LOG = logging.getLogger(__name__)

PARTIAL = ".pull-"
"""Begins the names of folders that a generation is fetched into."""

_ABANDONED = ("gen-", "collected-")
_PARTIAL_AGE_S = 24 * 3600.0
"""A fetch that was broken off can go on for so long."""


@dataclass(frozen=True, slots=True)
class KeepSettings:
    """Which generations stay besides those in use and the published ones of encoders that are not retired."""

    count: int = 3
    """The newest of each encoder that is not retired, the published one included."""
    age_s: float = 0.0
    """All that are younger than this, however many."""


@dataclass(frozen=True, slots=True)
class Collection:
    """What became of the generations that nobody needs."""

    removed: tuple[str, ...]
    """Newest first."""
    in_use: tuple[str, ...]
    """Would have gone, but another process uses them."""
    freed_bytes: int
    young: tuple[str, ...] = ()
    """Those of retired encoders that stay for their age alone."""
    retired: Mapping[str, str] = field(default_factory=dict)
    """The retired encoder of each of these generations that is of one."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A generation as it stands in its folder."""

    generation_id: str
    is_published: bool
    is_in_use: bool
    """By a process of this machine, this one included."""
    manifest: GenerationManifest | None
    problem: str | None
    """Why there is no manifest."""


def listed(directory: GenerationDirectory) -> list[Listed]:
    """Return all generations, newest first."""
    published = set(directory.published().values())
    found: list[Listed] = []
    for generation_id in directory.ids():
        folder = directory.folder(generation_id)
        manifest: GenerationManifest | None = None
        problem: str | None = None
        try:
            manifest = read_manifest(folder)
        except GenerationError as error:
            problem = str(error)
        unused = lease_to_remove(folder)
        if unused is not None:
            unused.close()
        found.append(Listed(generation_id, generation_id in published, unused is None, manifest, problem))
    return found


def collect(
    directory: GenerationDirectory,
    keep: KeepSettings,
    *,
    retired: Set[str] = frozenset(),
    now_s: float | None = None,
) -> Collection:
    """Remove generations that are neither published, nor among those to keep, nor in use.

    Those of retired encoders go unless they are in use or young, published or not. Damaged ones count for nothing and
    go first; those of another release's format stay, since that release may run.

    Args:
        directory: of the generations.
        keep: what stays.
        retired: the encoders that are retired, as far as that is known.
        now_s: the time by which age is told, seconds since 1970; the present by default.
    """
    remove_abandoned(directory)
    removed: list[str] = []
    in_use: list[str] = []
    freed = 0
    expendable, young, encoders = _expendable(directory, keep, retired, time.time() if now_s is None else now_s)
    for generation_id in expendable:
        freed_here = _remove(directory, generation_id, retired=retired)
        if freed_here is None:
            in_use.append(generation_id)
        else:
            removed.append(generation_id)
            freed += freed_here
    return Collection(tuple(removed), tuple(in_use), freed, tuple(young), encoders)


def remove_abandoned(directory: GenerationDirectory) -> None:
    """Remove folders whose builder, fetcher or collector ended in the middle of its work."""
    for path in directory.root.glob(".*"):
        name = path.name.removeprefix(".")
        if name.startswith(_ABANDONED) or (path.name.startswith(PARTIAL) and _age_s(path) > _PARTIAL_AGE_S):
            held = lease_to_remove(path)
            if held is not None:
                with held:
                    _LOG.info("removing %s, which nobody works on any more", path)
                    shutil.rmtree(path, ignore_errors=True)


def discard(directory: GenerationDirectory, generation_id: str) -> bool:
    """Remove a generation even if it is published; return whether that was possible, or false if it is in use."""
    return _remove(directory, generation_id, even_published=True) is not None


def _expendable(
    directory: GenerationDirectory, keep: KeepSettings, retired: Set[str], now_s: float
) -> tuple[list[str], list[str], dict[str, str]]:
    """Return what may go, what stays only for its age, and the encoders of those in both that are of retired ones."""
    published = directory.published()
    stays = {generation_id for encoder_id, generation_id in published.items() if encoder_id not in retired}
    # A damaged one does not say whose it is.
    of_retired = {generation_id: encoder_id for encoder_id, generation_id in published.items() if encoder_id in retired}
    kept: Counter[str] = Counter()
    found: list[str] = []
    young: list[str] = []
    for generation_id in directory.ids():
        folder = directory.folder(generation_id)
        try:
            manifest = read_manifest(folder)
        except DamagedGeneration:
            age_s, is_spare = now_s - _modified_s(folder), True
        except GenerationError:
            continue
        else:
            kept[manifest.encoder_id] += 1
            age_s = now_s - datetime.fromisoformat(manifest.built_at).timestamp()
            is_spare = kept[manifest.encoder_id] > keep.count
            if manifest.encoder_id in retired:
                of_retired[generation_id] = manifest.encoder_id
        if generation_id in stays or not (is_spare or generation_id in of_retired):
            continue
        if age_s >= keep.age_s:
            found.append(generation_id)
        elif generation_id in of_retired:
            young.append(generation_id)
    return found, young, {one: of_retired[one] for one in (*found, *young) if one in of_retired}


def _remove(
    directory: GenerationDirectory, generation_id: str, *, even_published: bool = False, retired: Set[str] = frozenset()
) -> int | None:
    folder = directory.folder(generation_id)
    held = lease_to_remove(folder)
    if held is None:
        return None
    aside = directory.root / f".collected-{generation_id}"
    with held:
        # Whoever publishes holds a lease, so what is not published now will not be.
        if not even_published and not _withdraw(directory, generation_id, retired):
            return None
        size = sum(path.stat().st_size for path in folder.iterdir())
        folder.rename(aside)
        fsync_folder(directory.root)
        shutil.rmtree(aside, ignore_errors=True)
    return size


def _withdraw(directory: GenerationDirectory, generation_id: str, retired: Set[str]) -> bool:
    """Make sure that a generation is not published; return whether it may go."""
    publishers = [encoder_id for encoder_id, published in directory.published().items() if published == generation_id]
    if not retired >= {*publishers}:
        return False
    try:
        # First: what is not published is no loss if the collector dies now.
        for encoder_id in publishers:
            directory.withdraw(encoder_id, generation_id)
    except DirectoryBusy as busy:
        _LOG.warning("generation %s stays published: %s", generation_id, busy)
        return False
    return True


def _age_s(path: Path) -> float:
    return time.time() - _modified_s(path)


def _modified_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()
