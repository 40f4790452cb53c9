"""PCA of a tower's features, turned by one fixed random rotation.

    embedding = l2((features - mean) @ matrix),  matrix = basis @ rotation

PCA leaves most variance in the first coordinates, which ruins an int8 scale shared by all of them. The rotation is
orthogonal, so it changes no cosine, and it spreads the variance evenly (the idea of Jégou et al., "Aggregating local
descriptors into a compact image representation", CVPR 2010, section 4). It costs nothing: it is folded into the matrix.
"""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ruiji_encoder.errors import ProjectionError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FORMAT_VERSION = 1
"""Of the npz file."""

EMBEDDING_DIMENSIONS = 128
"""Length of the embedding unless asked otherwise."""

ROTATION_SEED = 20_100_613
"""Fixed, so that the same features give the same projection everywhere."""


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """From a tower's features to the embedding's coordinates."""

    mean: NDArray[np.float32]
    """Of the features, shape (D,), float32."""
    matrix: NDArray[np.float32]
    """Orthonormal columns: PCA's basis times the rotation, shape (D, d), float32."""
    explained_variance: float
    """Share of the features' variance that survives, 0 to 1."""
    pictures: int
    """Number of pictures it was fitted on."""
    fitted_on: str
    """What it was fitted on, for people."""

    def __post_init__(self) -> None:
        if self.mean.dtype != np.float32 or self.matrix.dtype != np.float32:
            raise ProjectionError(f"mean and matrix must be float32, not {self.mean.dtype} and {self.matrix.dtype}")
        if self.mean.ndim != 1 or self.matrix.ndim != 2 or self.matrix.shape[0] != self.mean.shape[0]:
            raise ProjectionError(f"mean {self.mean.shape} and matrix {self.matrix.shape} do not belong together")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.matrix).all()):
            raise ProjectionError("projection holds numbers that are not finite: fit it again")

    @property
    def feature_dimensions(self) -> int:
        """Length of a feature vector, D."""
        return int(self.matrix.shape[0])

    @property
    def dimensions(self) -> int:
        """Length of an embedding, d."""
        return int(self.matrix.shape[1])

    def embed(self, features: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Project features and scale them to unit length.

        Args:
            features: a tower's pooled output, shape (n, D).

        Returns:
            Embeddings, shape (n, d), float32, unit length.
        """
        projected = (features.astype(np.float32) - self.mean) @ self.matrix
        norms = np.linalg.norm(projected, axis=1, keepdims=True)
        unit: NDArray[np.float32] = projected / np.maximum(norms, np.float32(1e-12))
        return unit

    def sha256(self) -> str:
        """Hash mean and matrix, float32 little-endian, into hex."""
        digest = hashlib.sha256(f"{self.matrix.shape}\n".encode())
        for array in (self.mean, self.matrix):
            digest.update(np.ascontiguousarray(array, dtype="<f4").tobytes())
        return digest.hexdigest()


class FeatureMoments:
    """Mean and co-moments of features, gathered in one pass, in constant memory, in fp64.

    Parts gathered by different processes merge into what one pass over everything would have gathered, up to
    rounding (Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979).
    """

    def __init__(self, dimensions: int) -> None:
        self.count = 0
        self.mean: NDArray[np.float64] = np.zeros(dimensions)
        self.comoment: NDArray[np.float64] = np.zeros((dimensions, dimensions))
        """Sum over pictures of outer(x - mean, x - mean), shape (D, D)."""

    @property
    def dimensions(self) -> int:
        """Length of a feature vector."""
        return int(self.mean.shape[0])

    def add(self, features: NDArray[np.floating[Any]]) -> None:
        """Take in a batch of features, shape (n, D).

        Raises:
            ProjectionError: another shape, or numbers that are not finite.
        """
        if features.ndim != 2 or features.shape[1] != self.dimensions:
            raise ProjectionError(f"features have shape {features.shape}; expected (n, {self.dimensions})")
        if not np.isfinite(features).all():
            raise ProjectionError("features hold numbers that are not finite: the tower's weights are damaged")
        if len(features) == 0:
            return
        batch = features.astype(np.float64)
        mean = batch.mean(axis=0)
        centred = batch - mean
        self._absorb(len(batch), mean, centred.T @ centred)

    def merge(self, other: FeatureMoments) -> None:
        """Take in everything that another has gathered.

        Raises:
            ProjectionError: the other's features have another length.
        """
        if other.dimensions != self.dimensions:
            raise ProjectionError(f"cannot merge moments of {other.dimensions} and {self.dimensions} dimensions")
        if other.count:
            self._absorb(other.count, other.mean, other.comoment)

    def _absorb(self, count: int, mean: NDArray[np.float64], comoment: NDArray[np.float64]) -> None:
        total = self.count + count
        gap = mean - self.mean
        self.comoment += comoment + np.outer(gap, gap) * (self.count * count / total)
        self.mean += gap * (count / total)
        self.count = total


def fit_projection(
    moments: FeatureMoments,
    *,
    fitted_on: str,
    dimensions: int = EMBEDDING_DIMENSIONS,
    rotation_seed: int = ROTATION_SEED,
) -> Projection:
    """Fit PCA to what was gathered, and rotate it.

    Features that are as short as the embedding lose nothing: they are centred and rotated only.

    Args:
        moments: of at least twice as many pictures as the embedding has dimensions; some thousands are better.
        fitted_on: what the pictures were, for people.
        dimensions: length of the embedding.
        rotation_seed: of the rotation; the same for encoders whose int8 scales are to be compared.

    Raises:
        ProjectionError: the features are shorter than the embedding, too few, or all alike.
    """
    length = moments.dimensions
    if length < dimensions:
        raise ProjectionError(
            f"the tower's features have {length} coordinates; {dimensions} cannot be made of them: "
            "use a wider tower or ask for fewer dimensions"
        )
    if moments.count < 2 * dimensions:
        raise ProjectionError(
            f"{moments.count} pictures are too few to fit {dimensions} dimensions: give {2 * dimensions} or more"
        )
    variances, axes = np.linalg.eigh(moments.comoment / (moments.count - 1))
    total = float(variances.sum())
    if total <= np.finfo(np.float64).tiny:
        raise ProjectionError("all features are alike: the tower answers the same for every picture")
    if length == dimensions:
        basis, kept = np.eye(length), total
    else:
        # eigh sorts upwards and leaves each axis' sign open: largest first, its largest coordinate positive.
        basis = axes[:, ::-1][:, :dimensions]
        basis = basis * np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(dimensions)])
        kept = float(variances[::-1][:dimensions].sum())
    return Projection(
        mean=moments.mean.astype(np.float32),
        matrix=(basis @ random_rotation(dimensions, rotation_seed)).astype(np.float32),
        explained_variance=min(kept / total, 1.0),
        pictures=moments.count,
        fitted_on=fitted_on,
    )


def random_rotation(dimensions: int, seed: int) -> NDArray[np.float64]:
    """Draw an orthogonal matrix from the Haar measure.

    QR of a Gaussian matrix, with the signs of R's diagonal moved into Q (Mezzadri, "How to generate random matrices
    from the classical compact groups", 2007), which also makes it independent of LAPACK's sign choices.

    Returns:
        Shape (dimensions, dimensions), float64.
    """
    gaussian = np.random.default_rng(seed).standard_normal((dimensions, dimensions))
    q, r = np.linalg.qr(gaussian)
    rotation: NDArray[np.float64] = q * np.sign(np.diag(r))
    return rotation


def save_projection(path: Path, projection: Projection) -> None:
    """Write a projection as an npz file; equal projections give equal bytes."""
    with path.open("wb") as file:
        np.savez(
            file,
            format_version=np.int64(FORMAT_VERSION),
            mean=projection.mean,
            matrix=projection.matrix,
            explained_variance=np.float64(projection.explained_variance),
            pictures=np.int64(projection.pictures),
            fitted_on=np.str_(projection.fitted_on),
        )


def load_projection(path: Path) -> Projection:
    """Read what `save_projection` wrote.

    Raises:
        ProjectionError: the file is missing, damaged, or of another format version.
    """
    try:
        # Opened here, since np.load leaves a damaged file open.
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            version = int(file["format_version"])
            if version != FORMAT_VERSION:
                raise ProjectionError(f"{path} has format version {version}; this release reads {FORMAT_VERSION}")
            return Projection(
                mean=file["mean"],
                matrix=file["matrix"],
                explained_variance=float(file["explained_variance"]),
                pictures=int(file["pictures"]),
                fitted_on=str(file["fitted_on"]),
            )
    except FileNotFoundError as error:
        raise ProjectionError(f"{path} is missing: fit a projection first") from error
    except (KeyError, OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise ProjectionError(f"{path} is no projection ({error}): fit it again") from error
