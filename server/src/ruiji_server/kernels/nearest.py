"""Keeping the nearest of many items for each of a few, as tiles of cosines come by."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ruiji_server.kernels.library import REFUSED, Kernels

NO_NEIGHBOUR: Final = np.uint32(2**32 - 1)
"""Stands in the place of a row after the last neighbour."""


class Offers(NamedTuple):
    """A tile of cosines, and what of it counts for whom."""

    cosines: NDArray[np.float32]
    """Shape (n, others)."""
    owners: NDArray[np.int64]
    """Whose the cosines are, positions among the items, shape (n,), each once."""
    first: NDArray[np.int64]
    """Where in the tile begins what counts for each, shape (n,)."""
    last: NDArray[np.int64]
    """And where it ends; nothing counts where that is not after the first."""
    rows: NDArray[np.uint32]
    """Of the tile's items, shape (others,), each once; none that was offered to one of these before."""


def keep_nearest(
    kernels: Kernels,
    items: NDArray[np.uint32],
    best_rows: NDArray[np.uint32],
    best_cosines: NDArray[np.float32],
    offers: Offers,
) -> None:
    """Put those of a tile among the nearest that belong there, by cosine and then row; not an item for itself.

    Args:
        kernels: opened.
        items: whose neighbours these are, row numbers, shape (items,).
        best_rows: nearest so far, shape (items, width), in that order; changed in place.
        best_cosines: theirs, of the same shape, minus infinity where there is no neighbour yet; changed in place.
        offers: the tile.

    Raises:
        ValueError: the shapes do not fit, or something would count that is not in the tile.
    """
    ffi, library = kernels
    number, width = best_rows.shape
    shape = len(offers.owners), len(offers.rows)
    if best_cosines.shape != best_rows.shape or len(items) != number or offers.cosines.shape != shape:
        raise ValueError(
            f"{len(items)} items, {best_rows.shape} neighbours with {best_cosines.shape} cosines, {shape} offered with "
            f"{offers.cosines.shape}"
        )
    if not len(offers.first) == len(offers.last) == shape[0]:
        raise ValueError(f"{len(offers.first)} first places and {len(offers.last)} last ones for {shape[0]} owners")
    kept = library.ruiji_keep_nearest(
        ffi.from_buffer("float[]", offers.cosines), shape[0], ffi.from_buffer("int64_t[]", offers.owners),
        ffi.from_buffer("int64_t[]", offers.first), ffi.from_buffer("int64_t[]", offers.last), shape[1],
        ffi.from_buffer("uint32_t[]", offers.rows), number, ffi.from_buffer("uint32_t[]", items), width,
        ffi.from_buffer("uint32_t[]", best_rows, require_writable=True),
        ffi.from_buffer("float[]", best_cosines, require_writable=True),
    )  # fmt: skip
    if kept == REFUSED:
        raise ValueError("an owner is none of the items, or places lie outside the tile")
