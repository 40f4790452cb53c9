"""A page for an item that the generation has in one call: its neighbours, what changed since, ranked and written."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ruiji_server.kernels.columns import LONGEST_ITEM_BYTES, ChangedColumns, CompiledColumns, PageBuffer, Tags
from ruiji_server.kernels.comparing import CompiledNeighbours, Meeting
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


class WrittenItems(NamedTuple):
    """The items of a page in protobuf's wire format."""

    content: bytes
    items: int
    exhausted: bool
    """Whether no other item may be recommended."""
    exact_scan: bool
    """Whether its whole price band was compared."""


class ListedPages:
    """Pages over one generation with a neighbour table. One answer at a time: not to be used by two threads."""

    def __init__(self, columns: CompiledColumns, neighbours: CompiledNeighbours) -> None:
        """Prepare to make pages.

        Args:
            columns: of the generation.
            neighbours: of its items, with their cosines.

        Raises:
            ValueError: there are no cosines.
        """
        if KERNELS is None:
            raise ValueError("pages cannot be made where there are no kernels")
        self._ffi, self._library = KERNELS
        if neighbours.pointers.cosines == self._ffi.NULL:
            raise ValueError("neighbours without cosines")
        self._columns = columns
        self._neighbours = neighbours
        self._room = _Room(self._ffi, page_size=0, candidates=neighbours.width, met=neighbours.width)

    def prepared(self, wanted: Wanted) -> PreparedWishes | None:
        """Return what `page` takes for these wishes, or None if they are beyond its numbers."""
        if max(wanted.ratio_numerator, wanted.ratio_denominator) > _MOST_INT64:
            return None
        room = self._room
        met = max(wanted.met_enough + self._neighbours.width, wanted.scanned_at_most)
        if room.page_size < wanted.page_size or room.candidates < wanted.pool_size or room.met < met:
            self._room = _Room(
                self._ffi,
                page_size=max(room.page_size, wanted.page_size),
                candidates=max(room.candidates, wanted.pool_size),
                met=max(room.met, met),
            )
        return self._ffi.new("ruiji_wanted *", wanted)

    def page(
        self,
        row: int,
        own_row: int,
        wanted: PreparedWishes,
        category_similarities: NDArray[np.float32],
        changed: ChangedColumns,
        used_slots: int,
        *,
        has_changes: bool,
    ) -> WrittenItems | None:
        """Return the page of an item; None where its neighbours and theirs do not suffice, or changed items tie.

        Args:
            row: the item's in the generation.
            own_row: the one that it has now: the same, not hidden, or one after the generation's, with the same
                embedding; it is not on the page.
            wanted: as `prepared` returned it.
            category_similarities: of all categories to the item's, shape (categories,).
            changed: the items after the generation's rows.
            used_slots: how many of its slots hold or held an item.
            has_changes: whether there are such items, or hidden rows.
        """
        room = self._room.pointers
        similarities = self._ffi.from_buffer("float[]", category_similarities)
        written = self._library.ruiji_listed_page(
            self._columns.pointers, self._neighbours.pointers, changed.pointers, used_slots,
            self._neighbours.hidden if has_changes else self._ffi.NULL, row, own_row, wanted, similarities,
            len(similarities), room,
        )  # fmt: skip
        if written == REFUSED:
            return None
        items: int = room.items
        return WrittenItems(
            self._ffi.buffer(room.out, written)[:], items, room.eligible <= items, bool(room.is_scanned)
        )


class _Room:
    """Where one page comes about."""

    def __init__(self, ffi: Any, *, page_size: int, candidates: int, met: int) -> None:  # noqa: ANN401  (cffi's)
        self.page_size = page_size
        self.candidates = candidates
        self.met = met
        self._meeting = Meeting(met)
        self._page = PageBuffer(ffi, page_size)
        self._kept = {
            "rows": ffi.new("int64_t[]", candidates),
            "cosines": ffi.new("float[]", candidates),
            "merged_rows": ffi.new("int64_t[]", candidates),
            "merged_cosines": ffi.new("float[]", candidates),
            "meeting": self._meeting.pointers,
            "page": self._page.pointers,
            "out": ffi.new("uint8_t[]", page_size * LONGEST_ITEM_BYTES),
        }
        numbers = {"candidates": candidates, "out_bytes": page_size * LONGEST_ITEM_BYTES}
        self.pointers = ffi.new("ruiji_room *", {**self._kept, **numbers})
