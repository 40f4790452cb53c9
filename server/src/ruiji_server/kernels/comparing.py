"""Comparing items with a query, and finding those that are worth it where an item's own neighbours are too few."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ruiji_server.kernels.columns import CompiledColumns, EligibleItems
from ruiji_server.kernels.library import KERNELS, REFUSED

_NOBODY: Final = -1


class Nearest(NamedTuple):
    """Items by cosine, best first, ties by row; both arrays have shape (n,)."""

    rows: NDArray[np.int64]
    cosines: NDArray[np.float32]


class Meeting:
    """Where the neighbours of neighbours are gathered, each once."""

    def __init__(self, most: int) -> None:
        """Make room.

        Args:
            most: rows that it holds: those at which no more are looked for, and the neighbours of one item.

        Raises:
            ValueError: there are no kernels.
        """
        if KERNELS is None:
            raise ValueError("there are no kernels")
        self.most = most
        self.rows: NDArray[np.uint32] = np.empty(most, np.uint32)
        slots = 1 << (2 * most - 1).bit_length()
        from_buffer = KERNELS.ffi.from_buffer
        self._kept = {
            "rows": from_buffer("uint32_t[]", self.rows, require_writable=True),
            "seen": from_buffer("uint32_t[]", np.empty(slots, np.uint32), require_writable=True),
        }
        self.pointers = KERNELS.ffi.new("ruiji_meeting *", {**self._kept, "most": most, "slots": slots})


class CompiledNeighbours:
    """Pointers to a neighbour table. Its buffers hold one answer: not to be used by two threads at a time.

    Attributes:
        width: most neighbours of an item.
        pointers: `ruiji_neighbours`.
    """

    def __init__(
        self,
        columns: CompiledColumns,
        rows: NDArray[np.uint32],
        cosines: NDArray[np.float32] | None,
        hidden: NDArray[np.bool_],
    ) -> None:
        """Take pointers to what stays where it is.

        Args:
            columns: of the generation.
            rows: of the items' neighbours, shape (items, width), best first, filled up with `NO_NEIGHBOUR`.
            cosines: theirs, of the same shape, where they are kept.
            hidden: which rows of the generation changed since, shape (items,).

        Raises:
            ValueError: the arrays are not of one generation.
        """
        if KERNELS is None:
            raise ValueError("neighbours cannot be compiled where there are no kernels")
        self._ffi, self._library = KERNELS
        shapes = {rows.shape} if cosines is None else {rows.shape, cosines.shape}
        if len(shapes) > 1 or not len(rows) == len(hidden) == columns.pointers.items:
            raise ValueError(f"neighbours and cosines of {shapes}, {len(hidden)} rows that may be hidden")
        self.width = rows.shape[1]
        self._columns = columns
        # A pointer does not keep alive what it points to.
        kept = {"rows": self._ffi.from_buffer("uint32_t[]", rows)}
        if cosines is not None:
            kept["cosines"] = self._ffi.from_buffer("float[]", cosines)
        self._kept = kept
        self.pointers = self._ffi.new("ruiji_neighbours *", {**kept, "width": self.width})
        self.hidden = self._ffi.from_buffer("uint8_t[]", hidden)
        self._meeting = Meeting(self.width)

    def second(self, row: int, eligible: EligibleItems, enough: int, *, has_changes: bool) -> NDArray[np.uint32] | None:
        """Return an item's neighbours and theirs, item by item of the nearest, until there are enough; None if damaged.

        Args:
            row: the item's, of the generation; it is not among them itself.
            eligible: the prices that they may have. All are on sale and of the item's currency, for the table is so.
            enough: how many; those of the last item looked at are all there.
            has_changes: whether rows are hidden.
        """
        if self._meeting.most < enough + self.width:
            self._meeting = Meeting(enough + self.width)
        met = self._library.ruiji_second_neighbours(
            self._columns.pointers, self.pointers, self.hidden if has_changes else self._ffi.NULL, row,
            self._ffi.new("ruiji_eligible *", eligible), enough, self._meeting.pointers,
        )  # fmt: skip
        return None if met == REFUSED else self._meeting.rows[:met].copy()


def nearest_among(
    columns: CompiledColumns, others: NDArray[np.uint32], vector: NDArray[np.float32], most: int
) -> Nearest | None:
    """Return the nearest of some rows to a query; None if one of them is nobody's.

    Args:
        columns: of the generation.
        others: row numbers, shape (n,), each once.
        vector: of the query, shape (dimensions,), unit length.
        most: how many, at least 1; fewer come back if there are fewer rows.
    """
    if KERNELS is None:
        raise ValueError("there are no kernels")
    ffi, library = KERNELS
    rows, cosines = np.empty(min(most, len(others)), np.int64), np.empty(min(most, len(others)), np.float32)
    if len(rows) == 0:
        return Nearest(rows, cosines)
    of_vector = ffi.from_buffer("float[]", vector)
    kept = library.ruiji_nearest_among(
        columns.pointers, ffi.from_buffer("uint32_t[]", others), len(others), ffi.NULL, _NOBODY, of_vector,
        len(of_vector), ffi.from_buffer("uint32_t[]", np.empty_like(others), require_writable=True), len(rows),
        ffi.from_buffer("int64_t[]", rows, require_writable=True),
        ffi.from_buffer("float[]", cosines, require_writable=True), ffi.new("int64_t *"),
    )  # fmt: skip
    return None if kept == REFUSED else Nearest(rows[:kept], cosines[:kept])
