"""What pages for items of a generation are made from: its columns, its neighbour table, what changed since."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ruiji_server.kernels.columns import ChangedColumns, CompiledColumns, Tags
from ruiji_server.kernels.comparing import CompiledNeighbours
from ruiji_server.kernels.library import KERNELS

_MOST_INT64: Final = 2**63 - 1
_KNOWN_AT_MOST: Final = 4_096
"""Categories whose similarities are kept; those of all categories of a large catalogue would take gigabytes."""


class Wanted(NamedTuple):
    """What a page should be; the order is that of `ruiji_wanted`."""

    page_size: int
    """Most items, at least 1."""
    pool_size: int
    """Candidates that are ranked, at most."""
    ratio_numerator: int
    """Of the widest price ratio."""
    ratio_denominator: int
    scanned_at_most: int
    """Items of a band that are all compared where the neighbours do not suffice."""
    met_enough: int
    """Neighbours of neighbours that are compared where there are more, at which no others are looked for."""
    met_least: int
    """How many it takes."""
    moved_at_most: float
    """Ratio of an item's price to that which its neighbours were found for."""
    is_narrower: bool
    """Whether that ratio is below the one that the neighbours were chosen by."""
    on_sale: int
    """State of items that may be recommended."""
    cosine_weight: float
    category_weight: float
    tags: Tags

    @property
    def fits(self) -> bool:
        """Whether the kernels' numbers can hold it."""
        return max(self.ratio_numerator, self.ratio_denominator) <= _MOST_INT64


class CompiledCatalogue:
    """Pointers to a generation with a neighbour table and what changed since, for pages of its items.

    Attributes:
        pointers: `ruiji_catalogue`.
        width: most neighbours of an item.
    """

    def __init__(
        self,
        columns: CompiledColumns,
        neighbours: CompiledNeighbours,
        changed: ChangedColumns,
        similarities: Callable[[int], NDArray[np.float32]],
    ) -> None:
        """Take the pointers.

        Args:
            columns: of the generation.
            neighbours: of its items, with their cosines.
            changed: what changed since.
            similarities: of the category with a number to all that there are, shape (category paths,); asked once for
                each, and again once there are more.

        Raises:
            ValueError: there are no cosines, or no kernels.
        """
        if KERNELS is None:
            raise ValueError("pages cannot be made where there are no kernels")
        self._ffi = KERNELS.ffi
        if neighbours.pointers.cosines == self._ffi.NULL:
            raise ValueError("neighbours without cosines")
        self.width = neighbours.width
        self._kept = (columns, neighbours, changed)
        self._similarities = similarities
        self._known: dict[int, NDArray[np.float32]] = {}
        self._pointed: Any = None
        self.pointers = self._ffi.new(
            "ruiji_catalogue *", (columns.pointers, neighbours.pointers, changed.pointers, 0, self._ffi.NULL)
        )

    def compare(self, category: int) -> None:
        """Find out how similar a category is to all."""
        similarities = self._similarities(category)
        paths = len(similarities)
        if paths != self.pointers.category_paths or len(self._known) >= _KNOWN_AT_MOST:
            self._known.clear()
            self._pointed = self._ffi.new("float *[]", paths)
            self.pointers.similarities = self._pointed
            self.pointers.category_paths = paths
        self._known[category] = similarities
        self._pointed[category] = self._ffi.from_buffer("float[]", similarities)
