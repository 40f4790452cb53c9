"""The check of what an encoder answers."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_UNIT_LENGTH_TOLERANCE: Final = 1e-3


def is_unit(vector: NDArray[np.float32]) -> bool:
    """Return whether a vector is finite and of unit length."""
    return bool(abs(float(np.linalg.norm(vector)) - 1.0) < _UNIT_LENGTH_TOLERANCE)
