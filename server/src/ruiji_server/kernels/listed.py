"""A page for an item of the generation in one call: its neighbours, what changed since, ranked and written."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ruiji_server.kernels.columns import LONGEST_ITEM_BYTES, ChangedColumns, CompiledColumns, PageBuffer, Tags
from ruiji_server.kernels.library import KERNELS, REFUSED

_MOST_INT64: Final = 2**63 - 1

PreparedWishes = Any
"""`ruiji_wanted`, from `ListedPages.prepared`."""


class Wanted(NamedTuple):
    """What a page should be; the order is that of `ruiji_wanted`."""

    page_size: int
    """Most items, at least 1."""
    pool_size: int
    """Candidates that are ranked, at most."""
    ratio_numerator: int
    """Of the widest price ratio."""
    ratio_denominator: int
    is_narrower: bool
    """Whether that ratio is below the one that the neighbours were chosen by."""
    on_sale: int
    """State of items that may be recommended."""
    cosine_weight: float
    category_weight: float
    tags: Tags


class WrittenItems(NamedTuple):
    """The items of a page in protobuf's wire format."""

    content: bytes
    items: int
    exhausted: bool
    """Whether no other item may be recommended."""


class ListedPages:
    """Pages over one generation with a neighbour table. One answer at a time: not to be used by two threads."""

    def __init__(
        self,
        columns: CompiledColumns,
        rows: NDArray[np.uint32],
        cosines: NDArray[np.float32],
        hidden: NDArray[np.bool_],
    ) -> None:
        """Take pointers to what stays where it is.

        Args:
            columns: of the generation.
            rows: of the items' neighbours, shape (items, width), best first, filled up with `NO_NEIGHBOUR`.
            cosines: theirs, of the same shape.
            hidden: which rows of the generation changed since, shape (items,).

        Raises:
            ValueError: the arrays are not of one generation.
        """
        if KERNELS is None:
            raise ValueError("columns cannot be compiled where there are no kernels")
        self._ffi, self._library = KERNELS
        self._columns = columns
        if rows.shape != cosines.shape or len(rows) != len(hidden) or len(rows) != columns.pointers.items:
            raise ValueError(f"{rows.shape} neighbours, {cosines.shape} cosines, {len(hidden)} rows that may be hidden")
        # A pointer does not keep alive what it points to.
        self._kept = {
            "rows": self._ffi.from_buffer("uint32_t[]", rows),
            "cosines": self._ffi.from_buffer("float[]", cosines),
        }
        self._width = rows.shape[1]
        self._neighbours = self._ffi.new("ruiji_neighbours *", {**self._kept, "width": self._width})
        self._hidden = self._ffi.from_buffer("uint8_t[]", hidden)
        self._room = _Room(self._ffi, page_size=0, candidates=self._width)

    def prepared(self, wanted: Wanted) -> PreparedWishes | None:
        """Return what `page` takes for these wishes, or None if they are beyond its numbers."""
        if max(wanted.ratio_numerator, wanted.ratio_denominator) > _MOST_INT64:
            return None
        room = self._room
        if room.page_size < wanted.page_size or room.candidates < wanted.pool_size:
            self._room = _Room(
                self._ffi,
                page_size=max(room.page_size, wanted.page_size),
                candidates=max(room.candidates, wanted.pool_size),
            )
        return self._ffi.new("ruiji_wanted *", wanted)

    def page(
        self,
        row: int,
        wanted: PreparedWishes,
        category_similarities: NDArray[np.float32],
        changed: ChangedColumns,
        used_slots: int,
        *,
        has_changes: bool,
    ) -> WrittenItems | None:
        """Return the page of an item; None where its neighbours do not suffice, or changed items tie.

        Args:
            row: the item's, of the generation and not hidden.
            wanted: as `prepared` returned it.
            category_similarities: of all categories to the item's, shape (categories,).
            changed: the items after the generation's rows.
            used_slots: how many of its slots hold or held an item.
            has_changes: whether there are such items, or hidden rows.
        """
        room = self._room.pointers
        similarities = self._ffi.from_buffer("float[]", category_similarities)
        written = self._library.ruiji_listed_page(
            self._columns.pointers, self._neighbours, changed.pointers, used_slots,
            self._hidden if has_changes else self._ffi.NULL, row, wanted, similarities, len(similarities), room,
        )  # fmt: skip
        if written == REFUSED:
            return None
        items: int = room.items
        return WrittenItems(self._ffi.buffer(room.out, written)[:], items, room.eligible <= items)


class _Room:
    """Where one page comes about."""

    def __init__(self, ffi: Any, *, page_size: int, candidates: int) -> None:  # noqa: ANN401  (cffi's)
        self.page_size = page_size
        self.candidates = candidates
        self._page = PageBuffer(ffi, page_size)
        self._kept = {
            "rows": ffi.new("int64_t[]", candidates),
            "cosines": ffi.new("float[]", candidates),
            "merged_rows": ffi.new("int64_t[]", candidates),
            "merged_cosines": ffi.new("float[]", candidates),
            "page": self._page.pointers,
            "out": ffi.new("uint8_t[]", page_size * LONGEST_ITEM_BYTES),
        }
        numbers = {"candidates": candidates, "out_bytes": page_size * LONGEST_ITEM_BYTES}
        self.pointers = ffi.new("ruiji_room *", {**self._kept, **numbers})
