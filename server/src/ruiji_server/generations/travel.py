"""Moving generations to other machines through any store that fsspec knows, and taking them in there.

Files go first and the pointer last, so whoever follows the pointer finds a whole generation. A transfer that broke off
goes on where it stopped. What arrives is compared with the manifest's checksums, and opened, before it is published.

A generation ends at a feed position of the store that it was built from, and a server applies what came after it: the
machine that pulls has to use the same store.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

from ruiji_server.generations.collection import PARTIAL, discard, remove_abandoned
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.errors import DamagedGeneration, GenerationError, TravelError
from ruiji_server.generations.generation import open_generation
from ruiji_server.generations.leases import lease, new_folder
from ruiji_server.generations.manifest import (
    DIGEST_FILE,
    MANIFEST_FILE,
    GenerationManifest,
    parse_manifest,
    read_manifest,
    verify_files,
)
from ruiji_server.generations.progress import BuildProgress
from ruiji_server.generations.remote import RemoteFolder

_LOG = logging.getLogger(__name__)
_SPARE_BYTES = 64 << 20
"""Room that is left over on the disk."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """What was moved."""

    generation_id: str
    total_bytes: int
    moved_bytes: int
    """Less if part of it was there already."""
    changed: bool
    """Whether the generation was not the published one before."""


def push_generation(
    directory: GenerationDirectory,
    generation_id: str,
    remote: RemoteFolder,
    progress: BuildProgress,
    *,
    keep: int,
    again: bool = False,
) -> Transfer:
    """Copy a generation to a URL and publish it there.

    Args:
        directory: where it is.
        generation_id: which one.
        remote: where to.
        progress: told how many bytes were read and sent.
        keep: how many generations stay there besides the published ones; older ones are removed.
        again: send files too that are there in the right size.

    Raises:
        DamagedGeneration: it differs from its checksums; nothing was sent.
        TravelError: the other side failed; call again to go on.
    """
    folder = directory.folder(generation_id)
    with lease(folder):
        manifest = read_manifest(folder)
        with progress.stage("Checksums", manifest.total_bytes) as advance:
            verify_files(folder, manifest, advance)
        there = {} if again else remote.sizes(generation_id)
        moved = 0
        with progress.stage("Push", manifest.total_bytes) as advance:
            for name, entry in manifest.files.items():
                if there.get(name) == entry.bytes:
                    advance(entry.bytes)
                    continue
                for sent in remote.write(folder / name, f"{generation_id}/{name}"):
                    moved += sent
                    advance(sent)
        for name in (MANIFEST_FILE, DIGEST_FILE):
            for sent in remote.write(folder / name, f"{generation_id}/{name}"):
                moved += sent
    published = remote.published()
    changed = published.get(manifest.encoder_id) != generation_id
    if changed:
        remote.publish(manifest.encoder_id, generation_id)
    _collect(remote, manifest, {*published.values(), generation_id}, keep)
    return Transfer(generation_id, manifest.total_bytes, moved, changed)


def pull_generation(
    remote: RemoteFolder, directory: GenerationDirectory, encoder_id: str | None, progress: BuildProgress
) -> Transfer:
    """Fetch what is published at a URL, unless it is here, check it, and publish it here.

    Args:
        remote: where from.
        directory: where to.
        encoder_id: whose generation; may be left out where no more than one encoder is published there.
        progress: told how many bytes were fetched and checked.

    Raises:
        DamagedGeneration: what came differs from its checksums and is not kept; what was published before goes on.
        TravelError: nothing is published there, or the other side failed; call again to go on.
        GenerationError: there is no room, it is of another release, or several encoders are published.
        DirectoryBusy: another process fetches into the same folder.
    """
    with directory.fetching():
        remove_abandoned(directory)
        encoder_id, generation_id = _wanted(remote, encoder_id)
        if directory.current_id(encoder_id) == generation_id and directory.folder(generation_id).is_dir():
            return Transfer(generation_id, 0, 0, changed=False)
        if _is_whole(directory, generation_id):
            directory.publish(generation_id)
            return Transfer(generation_id, 0, 0, changed=True)
        aside = directory.root / f"{PARTIAL}{generation_id}"
        with lease(aside) if aside.is_dir() else new_folder(aside):
            manifest = _fetch_manifest(remote, aside, encoder_id, generation_id)
            moved = _fetch_files(remote, aside, manifest, progress)
            _check(remote, aside, manifest, progress)
            directory.adopt(aside, generation_id)
    return Transfer(generation_id, manifest.total_bytes, moved, changed=True)


def _wanted(remote: RemoteFolder, encoder_id: str | None) -> tuple[str, str]:
    published = remote.published()
    if encoder_id is None and len(published) > 1:
        raise TravelError(f"{remote.url} has generations of several encoders; name one: {', '.join(sorted(published))}")
    if encoder_id is None:
        encoder_id = next(iter(published), None)
    if encoder_id is None or encoder_id not in published:
        raise TravelError(f"{remote.url} has no published generation; push one with `ruiji index push`")
    return encoder_id, published[encoder_id]


def _is_whole(directory: GenerationDirectory, generation_id: str) -> bool:
    """Return whether a generation is here already; make room for it if it is damaged."""
    folder = directory.folder(generation_id)
    if not folder.is_dir():
        return False
    try:
        with lease(folder):
            verify_files(folder, read_manifest(folder))
    except DamagedGeneration as damage:
        if not discard(directory, generation_id):
            raise
        _LOG.warning("%s; fetching it again", damage)
        return False
    return True


def _fetch_manifest(remote: RemoteFolder, aside: Path, encoder_id: str, generation_id: str) -> GenerationManifest:
    contents = {name: remote.read(f"{generation_id}/{name}") for name in (MANIFEST_FILE, DIGEST_FILE)}
    where = f"{remote.url}/{generation_id}/{MANIFEST_FILE}"
    manifest = parse_manifest(contents[MANIFEST_FILE], contents[DIGEST_FILE], where)
    if (manifest.generation_id, manifest.encoder_id) != (generation_id, encoder_id):
        raise GenerationError(
            f"{where} is that of {manifest.generation_id} of encoder {manifest.encoder_id}, not of {generation_id} of "
            f"{encoder_id}; push it again with `ruiji index push`"
        )
    for name, content in contents.items():
        (aside / name).write_bytes(content)
    return manifest


def _fetch_files(remote: RemoteFolder, aside: Path, manifest: GenerationManifest, progress: BuildProgress) -> int:
    """Complete the files; return how many bytes came."""
    here = {name: _size(aside / name) for name in manifest.files}
    missing = sum(max(entry.bytes - here[name], 0) for name, entry in manifest.files.items())
    free = shutil.disk_usage(aside).free
    if missing + _SPARE_BYTES > free:
        raise GenerationError(
            f"{manifest.generation_id} needs {missing / 1e6:.0f} MB more, and {aside.parent} has {free / 1e6:.0f} MB; "
            "make room, for instance with `ruiji index gc`"
        )
    moved = 0
    with progress.stage("Pull", manifest.total_bytes) as advance:
        for name, entry in manifest.files.items():
            start = here[name] if here[name] <= entry.bytes else 0
            advance(start)
            with (aside / name).open("r+b" if start else "wb") as file:
                file.seek(start)
                for part in remote.parts(f"{manifest.generation_id}/{name}", start, entry.bytes):
                    file.write(part)
                    moved += len(part)
                    advance(len(part))
    return moved


def _check(remote: RemoteFolder, aside: Path, manifest: GenerationManifest, progress: BuildProgress) -> None:
    """Refuse what is not what was announced, and remove it, so that the next call fetches it anew."""
    try:
        with progress.stage("Checksums", manifest.total_bytes) as advance:
            verify_files(aside, manifest, advance)
        open_generation(aside, verify=False).lease.close()
    except DamagedGeneration as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise DamagedGeneration(
            f"{manifest.generation_id} arrived damaged from {remote.url} and is not used; pull again, and if that does "
            "not help, push it again with --again"
        ) from error


def _collect(remote: RemoteFolder, manifest: GenerationManifest, published: set[str], keep: int) -> None:
    """Remove generations of the same encoder, and incomplete ones, that are older than those to keep."""
    kept = 0
    for generation_id in remote.generation_ids():
        if generation_id > manifest.generation_id:
            # Another builder may be at work on it.
            continue
        try:
            encoder_id = _encoder_of(remote, generation_id)
        except DamagedGeneration:
            encoder_id = None
        except TravelError:
            raise
        except GenerationError:
            # Of another release, which may run.
            continue
        if encoder_id not in {manifest.encoder_id, None}:
            continue
        if kept >= keep and generation_id not in published:
            remote.remove(generation_id)
        kept += encoder_id is not None


def _encoder_of(remote: RemoteFolder, generation_id: str) -> str:
    if not {MANIFEST_FILE, DIGEST_FILE} <= remote.sizes(generation_id).keys():
        raise DamagedGeneration(f"{remote.url}/{generation_id} is incomplete")
    manifest, digest = (remote.read(f"{generation_id}/{name}") for name in (MANIFEST_FILE, DIGEST_FILE))
    return parse_manifest(manifest, digest, f"{remote.url}/{generation_id}/{MANIFEST_FILE}").encoder_id


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
