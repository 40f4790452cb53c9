"""Generations by the dozen: copies of one, under ids and feed positions of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.manifest import GenerationManifest, read_manifest, write_manifest


def copied(source: Path, directory: GenerationDirectory, number: int, **changes: Any) -> GenerationManifest:
    """Add a copy of a generation to a directory, as if it was the numbered one to be built; does not publish it."""
    manifest = replace(
        read_manifest(source),
        **{
            "generation_id": f"gen-20260101T{number:06d}-abcdef",
            "built_at": f"2026-01-01T00:{number // 60:02d}:{number % 60:02d}+00:00",
            "feed_position": number,
            **changes,
        },
    )
    folder = directory.folder(manifest.generation_id)
    aside = directory.root / f".copy-{manifest.generation_id}"
    aside.mkdir(parents=True)
    for name in manifest.files:
        # Only read and unlinked, never written to.
        (aside / name).hardlink_to(source / name)
    write_manifest(aside, manifest)
    aside.rename(folder)
    return manifest
