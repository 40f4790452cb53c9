"""Projections fitted on shards apart from each other: each shard's moments on the disk, merged and fitted in one place.

Moments are sums in fp64, so however pictures are divided and in whatever order the parts are merged, the projection is
that of one pass over all of them, up to the last digits of fp64.
"""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ruiji_encoder.errors import ProjectionError
from ruiji_encoder.projection import EMBEDDING_DIMENSIONS, FeatureMoments, Projection, fit_projection

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PART_FORMAT_VERSION = 1
"""Of the npz file."""


@dataclass(frozen=True, slots=True, eq=False)
class ProjectionPart:
    """The moments of one shard's features."""

    moments: FeatureMoments
    """Mean and co-moments, fp64."""
    tower_sha256: str
    """Of the tower that made the features, see `checkpoints.weights_sha256`."""
    gathered_from: str
    """What the shard is, for people."""

    def sha256(self) -> str:
        """Hash the moments into hex; equal for equal shards."""
        digest = hashlib.sha256(f"{self.moments.count}\n".encode())
        digest.update(self.moments.mean.tobytes())
        digest.update(self.moments.comoment.tobytes())
        return digest.hexdigest()


def save_part(path: Path, part: ProjectionPart) -> None:
    """Write a part as an npz file, complete or not at all."""
    aside = path.with_name(f".{path.name}.partial")
    with aside.open("wb") as file:
        np.savez(
            file,
            part_format_version=np.int64(PART_FORMAT_VERSION),
            count=np.int64(part.moments.count),
            mean=part.moments.mean,
            comoment=part.moments.comoment,
            tower_sha256=np.str_(part.tower_sha256),
            gathered_from=np.str_(part.gathered_from),
        )
    aside.replace(path)


def load_part(path: Path) -> ProjectionPart:
    """Read what `save_part` wrote.

    Raises:
        ProjectionError: the file is missing, damaged, or of another format version.
    """
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            version = int(file["part_format_version"])
            if version != PART_FORMAT_VERSION:
                raise ProjectionError(f"{path} has format version {version}; this release reads {PART_FORMAT_VERSION}")
            mean, comoment = file["mean"], file["comoment"]
            if mean.dtype != np.float64 or comoment.dtype != np.float64 or comoment.shape != (len(mean), len(mean)):
                raise ProjectionError(f"{path} holds moments that do not belong together: gather them again")
            moments = FeatureMoments(len(mean))
            moments.count, moments.mean, moments.comoment = int(file["count"]), mean, comoment
            return ProjectionPart(moments, str(file["tower_sha256"]), str(file["gathered_from"]))
    except FileNotFoundError as error:
        raise ProjectionError(f"{path} is missing: gather it with `ruiji encoder project --part`") from error
    except (KeyError, OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise ProjectionError(f"{path} is no part of a projection ({error}): gather it again") from error


def fit_parts(paths: Sequence[Path], *, dimensions: int = EMBEDDING_DIMENSIONS) -> Projection:
    """Merge the parts in these files and fit the projection.

    Args:
        paths: of at least one part, in any order.
        dimensions: length of the embedding.

    Raises:
        ProjectionError: a part is missing or damaged, comes from another tower or is there twice, or the features
            cannot be fitted.
    """
    if not paths:
        raise ProjectionError("no part was given: gather some with `ruiji encoder project --part`")
    parts = [(path, load_part(path)) for path in paths]
    first_path, first = parts[0]
    seen: dict[str, Path] = {}
    merged = FeatureMoments(first.moments.dimensions)
    for path, part in parts:
        if part.tower_sha256 != first.tower_sha256:
            raise ProjectionError(f"{path} was gathered with another tower than {first_path}: use one checkpoint")
        if part.sha256() in seen:
            raise ProjectionError(f"{path} holds the same pictures as {seen[part.sha256()]}: give each part once")
        seen[part.sha256()] = path
        merged.merge(part.moments)
    fitted_on = " + ".join(f"{part.gathered_from} ({part.moments.count:,} pictures)" for _, part in parts)
    return fit_projection(merged, fitted_on=fitted_on, dimensions=dimensions)
