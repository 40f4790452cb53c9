"""The nearest items seen so far, for each of a few, while all that come into question pass by in tiles."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ruiji_server.kernels.library import KERNELS
from ruiji_server.kernels.nearest import NO_NEIGHBOUR, Offers, keep_nearest

_NO_COSINE: Final = np.float32(-np.inf)


class NearestKept:
    """The nearest items seen so far. Not to be offered anything by two threads at a time.

    Attributes:
        items: whose neighbours they are, row numbers, shape (items,).
        rows: shape (items, width), best first and ties by row, `NO_NEIGHBOUR` after the last.
        cosines: theirs, minus infinity after the last.
    """

    def __init__(self, items: NDArray[np.uint32], width: int) -> None:
        """Have seen nothing.

        Args:
            items: row numbers, shape (items,).
            width: how many of the nearest to keep for each, at least 1.
        """
        self.items = items
        self.rows = np.full((len(items), width), NO_NEIGHBOUR, dtype=np.uint32)
        self.cosines = np.full((len(items), width), _NO_COSINE, dtype=np.float32)

    @property
    def is_full(self) -> NDArray[np.bool_]:
        """Which items have as many neighbours as are kept, shape (items,)."""
        full: NDArray[np.bool_] = self.rows[:, -1] != NO_NEIGHBOUR
        return full

    def offer(self, offers: Offers) -> None:
        """Look at a tile of cosines; an item is no neighbour of itself."""
        if KERNELS is None:
            self._offer(offers)
        else:
            keep_nearest(KERNELS, self.items, self.rows, self.cosines, offers)

    def _offer(self, offers: Offers) -> None:
        owners, width = offers.owners, self.rows.shape[1]
        rows, cosines = self.rows[owners], self.cosines[owners]
        places = np.arange(len(offers.rows))
        counts = (places >= offers.first[:, None]) & (places < offers.last[:, None])
        counts &= offers.rows != self.items[owners][:, None]
        offered = np.where(counts, offers.cosines, _NO_COSINE)
        # Only what is as near as the last that is kept can matter, and after the first tiles little is.
        bar = cosines[:, -1]
        if len(places) > width and np.isneginf(bar).any():
            bar = np.maximum(bar, np.partition(offered, len(places) - width, axis=1)[:, -width])
        new_owner, new_place = np.nonzero(counts & (offered >= bar[:, None]))
        old_owner, old_place = np.nonzero(rows != NO_NEIGHBOUR)
        owner = np.concatenate((old_owner, new_owner))
        row = np.concatenate((rows[old_owner, old_place], offers.rows[new_place]))
        cosine = np.concatenate((cosines[old_owner, old_place], offered[new_owner, new_place]))
        order = np.lexsort((row, -cosine, owner))
        owner, row, cosine = owner[order], row[order], cosine[order]
        place = np.arange(len(owner)) - owner.searchsorted(owner)
        kept = place < width
        rows[owner[kept], place[kept]] = row[kept]
        cosines[owner[kept], place[kept]] = cosine[kept]
        self.rows[owners], self.cosines[owners] = rows, cosines
