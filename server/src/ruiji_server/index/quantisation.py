"""Unit vectors as int8, so that the index takes a quarter of the memory and of the bandwidth.

One scale serves all dimensions. That needs variance to be spread evenly over them, which the random rotation inside
the encoder's projection sees to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_CLIPPED_SHARE = 1e-4
_SAMPLE_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Int8Scale:
    """Maps float32 components to int8: round(component * factor), clipped to -127..127."""

    factor: float

    @classmethod
    def fit(cls, embeddings: NDArray[np.float32]) -> Int8Scale:
        """Choose the scale that clips one component in 10,000, from at most 100,000 rows spread over the array.

        Args:
            embeddings: shape (items, dimensions), float32, at least one item.
        """
        step = max(1, len(embeddings) // _SAMPLE_ROWS)
        return cls(factor=127.0 / float(np.quantile(np.abs(embeddings[::step]), 1.0 - _CLIPPED_SHARE)))

    def quantise(self, vectors: NDArray[np.float32]) -> NDArray[np.int8]:
        """Return the vectors as int8, same shape."""
        scaled: NDArray[np.float32] = np.rint(vectors * np.float32(self.factor))
        return np.clip(scaled, -127, 127).astype(np.int8)
