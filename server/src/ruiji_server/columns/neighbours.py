"""The neighbour table: for every item, the nearest items that may be recommended for it, found when it was built.

The query of most requests is an item of the catalogue, and its price is the price its band is laid around. So nearly
all of the search can be done once, for all items, with the whole catalogue before it; a request reads one row.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ruiji_server.kernels.nearest import NO_NEIGHBOUR

__all__ = ["COSINES", "NEIGHBOURS", "NO_NEIGHBOUR", "NeighbourTable"]

NEIGHBOURS: Final = "neighbours.npy"
COSINES: Final = "neighbour_cosines.npy"


@dataclass(frozen=True, slots=True)
class NeighbourTable:
    """Each item's nearest others that are on sale, in its own currency and inside a price band around its price."""

    rows: NDArray[np.uint32]
    """Shape (items, width), best first; `NO_NEIGHBOUR` after the last. May be memory-mapped."""
    cosines: NDArray[np.float32] | None
    """Of the neighbours to the item, as `rows`, 0 after the last; None in generations from before they were kept. May
    be memory-mapped."""
    max_price_ratio: float
    """Of the band."""

    @classmethod
    def open(cls, folder: Path, max_price_ratio: float) -> NeighbourTable:
        """Map a generation's table into memory.

        Raises:
            ValueError: the file holds something else.
        """
        rows = np.load(folder / NEIGHBOURS, mmap_mode="r")
        if rows.dtype != np.uint32 or rows.ndim != 2:
            raise ValueError(f"{folder / NEIGHBOURS} holds {rows.dtype} of {rows.ndim} dimensions, not uint32 of 2")
        if not (folder / COSINES).exists():
            return cls(rows.view(np.ndarray), None, max_price_ratio)
        cosines = np.load(folder / COSINES, mmap_mode="r")
        if cosines.dtype != np.float32 or cosines.shape != rows.shape:
            raise ValueError(f"{folder / COSINES} holds {cosines.dtype} of shape {cosines.shape}, not as {NEIGHBOURS}")
        return cls(rows.view(np.ndarray), cosines.view(np.ndarray), max_price_ratio)

    @property
    def width(self) -> int:
        """Most neighbours of an item."""
        return int(self.rows.shape[1])

    def of(self, row: int) -> tuple[NDArray[np.int64], NDArray[np.float32] | None, bool]:
        """Return an item's neighbours, best first, their cosines, and whether no others may be recommended.

        Both arrays have shape (n,); there are no cosines where the generation does not keep them.
        """
        neighbours = self.rows[row]
        cosines = None if self.cosines is None else self.cosines[row]
        complete = bool(neighbours[-1] == NO_NEIGHBOUR)
        if complete:
            count = int(np.argmax(neighbours == NO_NEIGHBOUR))
            neighbours, cosines = neighbours[:count], None if cosines is None else cosines[:count]
        return neighbours.astype(np.int64), cosines, complete
