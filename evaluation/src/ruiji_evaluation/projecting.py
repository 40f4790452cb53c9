"""Features to the unit vectors whose cosines are compared, whole or through the PCA that encoders ship with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ruiji_evaluation.errors import NothingToEvaluate
from ruiji_evaluation.search import unit_length

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def unit_vectors(
    features: NDArray[np.float32], fit_on: NDArray[np.int64], dimensions: int | None
) -> tuple[NDArray[np.float32], float | None]:
    """Scale features to unit length, projected before if asked.

    Args:
        features: shape (n, D), float32.
        fit_on: rows that PCA is fitted on: what a marketplace has before a query comes, never the queries.
        dimensions: of PCA; None leaves features whole.

    Returns:
        Unit vectors, shape (n, dimensions or D), float32; and the share of variance that PCA keeps.

    Raises:
        NothingToEvaluate: the rows are too few for the PCA, or the features too short.
    """
    if dimensions is None:
        return unit_length(features), None
    from ruiji_encoder.errors import ProjectionError
    from ruiji_encoder.projection import FeatureMoments, fit_projection

    moments = FeatureMoments(features.shape[1])
    moments.add(features[fit_on])
    try:
        projection = fit_projection(moments, fitted_on="the gallery", dimensions=dimensions)
    except ProjectionError as error:
        raise NothingToEvaluate(f"PCA to {dimensions} dimensions cannot be fitted: {error}") from error
    return projection.embed(features), projection.explained_variance
