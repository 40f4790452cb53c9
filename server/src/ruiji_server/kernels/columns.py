"""The kernels over one generation's columns."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ruiji_server.kernels.library import REFUSED, Kernels

NO_AMOUNT: Final = -1
"""`amount_minor` of a query whose price has no ratio to those of the items."""
LONGEST_ITEM_BYTES: Final = 1_024
"""Of an item in the wire format; ids and numbers together are far below it."""
_OTHER_LENGTHS: Final = ("ids", "embeddings", "band_rows", "band_prices", "band_ends")
"""Columns that have another than a place for each item."""


class RankedPage(NamedTuple):
    """The best of the candidates, best first. All arrays have shape (items on the page,)."""

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]
    cosines: NDArray[np.float32]
    category_similarities: NDArray[np.float32] | None
    price_ratios: NDArray[np.float64] | None


class EligibleItems(NamedTuple):
    """Which changed items may be candidates; the order is that of `ruiji_eligible`."""

    on_sale: int
    """State of those on sale."""
    currency: int
    """Number of the currency that they have, or -1 for any, and then prices do not count."""
    low_minor: int
    """Lowest price, included."""
    high_minor: int
    """Highest price, included."""
    excluded_row: int
    """Of one that may not, or -1 for none."""


class Tags(NamedTuple):
    """What stands before each field of an item in protobuf's wire format; the order is that of `ruiji_tags`."""

    items: int
    """Of the field that the items are in; the others are theirs."""
    item_id: int
    score: int
    cosine: int
    price_ratio: int
    category_similarity: int
    propensity: int


class MergedCandidates(NamedTuple):
    """Candidates of a generation with the changed items among them, nearest first."""

    rows: NDArray[np.int64]
    cosines: NDArray[np.float32]
    changed_eligible: int
    """How many changed items are eligible, among the candidates or not."""


@dataclass(slots=True)
class ChangedColumns:
    """Pointers to the columns of changed items, which have the rows after the generation's.

    They stay in one place while what they point to grows and changes.
    """

    pointers: Any
    """`ruiji_changed`."""
    hidden: Any
    """Which rows of the generation count no more, `uint8_t[items]`."""
    kept: tuple[object, ...]
    """What they point to besides."""

    def move_to(self, other: ChangedColumns) -> None:
        """Point to what another points to."""
        self.pointers[0] = other.pointers[0]
        self.hidden, self.kept = other.hidden, other.kept

    def stand(self, used_slots: int, category_paths: int, *, has_changes: bool) -> None:
        """Say how things stand.

        Args:
            used_slots: how many slots hold or held an item.
            category_paths: numbers of category paths that there are.
            has_changes: whether there are such items, or hidden rows.
        """
        self.pointers.used_slots = used_slots
        if has_changes:
            # Without, nobody has to look which rows are hidden.
            self.pointers.hidden = self.hidden
        self.pointers.category_paths = category_paths


class CompiledColumns:
    """Pointers to a generation's columns. Its own buffers hold one answer: not to be used by two threads at a time.

    The arrays must stay as they are and where they are.

    Attributes:
        pointers: `ruiji_columns`.
    """

    def __init__(
        self,
        kernels: Kernels,
        *,
        id_ends: NDArray[np.uint64],
        ids: bytes | mmap.mmap,
        id_hashes: NDArray[np.uint64],
        id_hash_rows: NDArray[np.uint32],
        categories: NDArray[np.int32],
        prices_minor: NDArray[np.int64],
        currencies: NDArray[np.uint8],
        embeddings: NDArray[np.float32],
        band_rows: NDArray[np.uint32],
        band_prices: NDArray[np.int64],
        band_ends: NDArray[np.int64],
    ) -> None:
        """Take the pointers.

        Args:
            kernels: opened.
            id_ends: this and the others as `columns.layout` has them, shape (items,).
            ids: UTF-8, one after the other.
            id_hashes: ascending.
            id_hash_rows: rows of the hashes.
            categories: numbers of the category paths.
            prices_minor: in minor units.
            currencies: numbers.
            embeddings: shape (items, dimensions).
            band_rows: those on sale by currency, price and row, shape (on sale,).
            band_prices: theirs.
            band_ends: where each currency ends among them, shape (currencies,).

        Raises:
            ValueError: the columns are not of one length.
        """
        self._ffi, self._library = kernels
        # A pointer does not keep alive what it points to.
        self._pointed = {
            "id_ends": self._ffi.from_buffer("uint64_t[]", id_ends),
            "ids": self._ffi.from_buffer("uint8_t[]", ids),
            "id_hashes": self._ffi.from_buffer("uint64_t[]", id_hashes),
            "id_hash_rows": self._ffi.from_buffer("uint32_t[]", id_hash_rows),
            "categories": self._ffi.from_buffer("int32_t[]", categories),
            "prices_minor": self._ffi.from_buffer("int64_t[]", prices_minor),
            "currencies": self._ffi.from_buffer("uint8_t[]", currencies),
            "embeddings": self._ffi.from_buffer("float[]", embeddings),
            "band_rows": self._ffi.from_buffer("uint32_t[]", band_rows),
            "band_prices": self._ffi.from_buffer("int64_t[]", band_prices),
            "band_ends": self._ffi.from_buffer("int64_t[]", band_ends),
        }
        items, dimensions = embeddings.shape
        lengths = {name: len(column) for name, column in self._pointed.items() if name not in _OTHER_LENGTHS}
        if {*lengths.values()} != {items}:
            raise ValueError(f"columns of different lengths: {lengths | {'embeddings': items}}")
        if len(band_rows) != len(band_prices) or (len(band_ends) and band_ends.max() > len(band_rows)):
            raise ValueError(f"{len(band_rows)} rows on sale, {len(band_prices)} prices, bands that end at {band_ends}")
        numbers = {
            "items": items,
            "ids_bytes": len(self._pointed["ids"]),
            "dimensions": dimensions,
            "band_currencies": len(band_ends),
        }
        self.pointers = self._ffi.new("ruiji_columns *", {**self._pointed, **numbers})
        self._page = PageBuffer(self._ffi, 0)
        self._written = self._ffi.new("uint8_t[]", 0)
        self._number = self._ffi.new("int64_t *")

    def changed(
        self,
        *,
        categories: NDArray[np.int32],
        prices_minor: NDArray[np.int64],
        currencies: NDArray[np.int32],
        states: NDArray[np.uint8],
        embeddings: NDArray[np.float32],
        ids: NDArray[np.uint8],
        id_bytes: NDArray[np.uint8],
        hidden: NDArray[np.bool_],
        own_slots: NDArray[np.int32],
    ) -> ChangedColumns:
        """Return pointers to the columns of changed items.

        Args:
            categories: this and the others as `columns.live` has them, shape (slots,).
            prices_minor: in minor units.
            currencies: numbers.
            states: `domain.items.ItemState`.
            embeddings: shape (slots, dimensions).
            ids: UTF-8, shape (slots, most bytes of an id).
            id_bytes: length of each id.
            hidden: which rows of the generation count no more, shape (items,).
            own_slots: 1 + slot of an item of the generation that has the embedding that it had, or 0, shape (items,).

        Raises:
            ValueError: the columns are not of one length.
        """
        slots, dimensions = embeddings.shape
        if {len(column) for column in (categories, prices_minor, currencies, states, ids, id_bytes)} != {slots}:
            raise ValueError(f"columns of changed items are not all of {slots} slots")
        if not len(hidden) == len(own_slots) == self.pointers.items:
            raise ValueError(f"{len(hidden)} rows and {len(own_slots)} slots of {self.pointers.items} items")
        kept = {
            "categories": self._ffi.from_buffer("int32_t[]", categories),
            "prices_minor": self._ffi.from_buffer("int64_t[]", prices_minor),
            "currencies": self._ffi.from_buffer("int32_t[]", currencies),
            "states": self._ffi.from_buffer("uint8_t[]", states),
            "embeddings": self._ffi.from_buffer("float[]", embeddings),
            "ids": self._ffi.from_buffer("uint8_t[]", ids),
            "id_bytes": self._ffi.from_buffer("uint8_t[]", id_bytes),
            "own_slots": self._ffi.from_buffer("int32_t[]", own_slots),
        }
        numbers = {"slots": slots, "dimensions": dimensions, "longest_id": ids.shape[1]}
        pointers = self._ffi.new("ruiji_changed *", {**kept, **numbers})
        return ChangedColumns(pointers, self._ffi.from_buffer("uint8_t[]", hidden), tuple(kept.values()))

    def find_row(self, item_id: bytes, id_hash: int) -> int:
        """Return the row of an item, or `ABSENT`, or `REFUSED` where the ids are damaged.

        Args:
            item_id: UTF-8.
            id_hash: `columns.layout.id_hash` of it.
        """
        row: int = self._library.ruiji_find_row(self.pointers, item_id, len(item_id), id_hash)
        return row

    def merge_changed(
        self,
        changed: ChangedColumns,
        used_slots: int,
        eligible: EligibleItems,
        vector: NDArray[np.float32],
        rows: NDArray[np.int64],
        cosines: NDArray[np.float32],
        pool_size: int,
    ) -> MergedCandidates | None:
        """Put eligible changed items among candidates by their cosine; None where some tie.

        Args:
            changed: the items after the generation's rows.
            used_slots: how many of its slots hold or held an item.
            eligible: which of them count.
            vector: of the query, shape (dimensions,), unit length.
            rows: candidates of the generation, nearest first, shape (n,); at most `pool_size`.
            cosines: theirs.
            pool_size: most candidates to return.
        """
        from_buffer, number = self._ffi.from_buffer, self._number
        of_rows, of_cosines = from_buffer("int64_t[]", rows), from_buffer("float[]", cosines)
        of_vector, candidates = from_buffer("float[]", vector), len(of_rows)
        if len(of_cosines) != candidates:
            raise ValueError(f"{candidates} rows and {len(of_cosines)} cosines")
        merged_rows, merged_cosines = np.empty(pool_size, np.int64), np.empty(pool_size, np.float32)
        merged = self._library.ruiji_merge_changed(
            self.pointers, changed.pointers, used_slots, self._ffi.new("ruiji_eligible *", eligible),
            of_vector, len(of_vector), of_rows, of_cosines, candidates, pool_size,
            from_buffer("int64_t[]", merged_rows), from_buffer("float[]", merged_cosines), number,
        )  # fmt: skip
        if merged == REFUSED:
            return None
        return MergedCandidates(merged_rows[:merged], merged_cosines[:merged], number[0])

    def rank(
        self,
        changed: ChangedColumns,
        rows: NDArray[np.int64],
        cosines: NDArray[np.float32],
        category_similarities: NDArray[np.float32],
        weights: tuple[np.float32, np.float32],
        amount_minor: int,
        page_size: int,
    ) -> RankedPage | None:
        """Return the best by score, ties by row; None if changed items tie or a row is in neither part.

        score = weight of the cosine * cosine + weight of the category * similarity of the item's category, in float32.

        Args:
            changed: the items after the generation's rows.
            rows: candidates, shape (n,), of the generation or changed.
            cosines: theirs, shape (n,).
            category_similarities: of all categories to the query's, shape (categories,).
            weights: of cosine and category.
            amount_minor: the query's price for the ratios, or `NO_AMOUNT`.
            page_size: most items to return, at least 1.
        """
        from_buffer = self._ffi.from_buffer
        of_rows, of_cosines = from_buffer("int64_t[]", rows), from_buffer("float[]", cosines)
        similarities = from_buffer("float[]", category_similarities)
        candidates = len(of_rows)
        if len(of_cosines) != candidates:
            raise ValueError(f"{candidates} rows and {len(of_cosines)} cosines")
        page = self._page
        if page.capacity < page_size:
            page = self._page = PageBuffer(self._ffi, page_size)
        filled = self._library.ruiji_rank(
            self.pointers, changed.pointers, of_rows, of_cosines, candidates, similarities, len(similarities),
            *weights, amount_minor, page_size, page.pointers,
        )  # fmt: skip
        return None if filled == REFUSED else page.first(filled, with_ratios=amount_minor != NO_AMOUNT)

    def write_items(
        self,
        changed: ChangedColumns,
        rows: NDArray[np.int64],
        tags: Tags,
        scores: NDArray[np.float32],
        cosines: NDArray[np.float32],
        price_ratios: NDArray[np.float64] | None,
        category_similarities: NDArray[np.float32] | None,
        propensities: NDArray[np.float32] | None,
    ) -> bytes | None:
        """Return items in protobuf's wire format; None if a row is nobody's or an id is too long.

        Args:
            changed: the items after the generation's rows.
            rows: of the items, shape (n,).
            tags: of their fields.
            scores: shape (n,), as all that follow; None leaves that number out.
            cosines: see there.
            price_ratios: written as float32.
            category_similarities: see there.
            propensities: see there.
        """
        pointer, null = self._ffi.from_buffer, self._ffi.NULL
        of_rows = pointer("int64_t[]", rows)
        items = len(of_rows)
        if len(self._written) < items * LONGEST_ITEM_BYTES:
            self._written = self._ffi.new("uint8_t[]", items * LONGEST_ITEM_BYTES)
        written = self._library.ruiji_write_items(
            self.pointers, changed.pointers, of_rows, items, self._ffi.new("ruiji_tags *", tags),
            pointer("float[]", scores),
            pointer("float[]", cosines),
            null if price_ratios is None else pointer("double[]", price_ratios),
            null if category_similarities is None else pointer("float[]", category_similarities),
            null if propensities is None else pointer("float[]", propensities),
            self._written, len(self._written),
        )  # fmt: skip
        if written == REFUSED:
            return None
        content: bytes = self._ffi.buffer(self._written, written)[:]
        return content


class PageBuffer:
    """Where a page is ranked."""

    def __init__(self, ffi: Any, capacity: int) -> None:  # noqa: ANN401  (cffi's)
        self.capacity = capacity
        self._rows = np.empty(capacity, np.int64)
        self._scores, self._cosines, self._similarities = (np.empty(capacity, np.float32) for _ in range(3))
        self._ratios = np.empty(capacity, np.float64)
        self._kept = {
            "rows": ffi.from_buffer("int64_t[]", self._rows, require_writable=True),
            "scores": ffi.from_buffer("float[]", self._scores, require_writable=True),
            "cosines": ffi.from_buffer("float[]", self._cosines, require_writable=True),
            "category_similarities": ffi.from_buffer("float[]", self._similarities, require_writable=True),
            "price_ratios": ffi.from_buffer("double[]", self._ratios, require_writable=True),
        }
        self.pointers = ffi.new("ruiji_page *", self._kept)

    def first(self, items: int, *, with_ratios: bool) -> RankedPage:
        """Return copies of what was ranked."""
        return RankedPage(
            self._rows[:items].copy(),
            self._scores[:items].copy(),
            self._cosines[:items].copy(),
            self._similarities[:items].copy(),
            self._ratios[:items].copy() if with_ratios else None,
        )
