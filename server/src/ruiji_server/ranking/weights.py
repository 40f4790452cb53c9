"""How much cosine and category count in a score."""

from __future__ import annotations

import functools

import numpy as np


@functools.lru_cache(maxsize=1024)
def score_weights(category_weight: float) -> tuple[np.float32, np.float32]:
    """Return the weights of cosine and category similarity, of the type of what they weigh."""
    return np.float32(1) - np.float32(category_weight), np.float32(category_weight)
