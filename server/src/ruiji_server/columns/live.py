"""The columns of a generation with what changed since: one catalogue to those who read it.

A changed item gets a row after the generation's rows, and its old row is hidden. There are few of them, for the next
generation takes them in, so they are kept in plain arrays and looked at exactly. Rows below `len(base)` are the
generation's and shared by all processes; the others and the hidden mask are private to one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ruiji_server.columns.item import ColumnItem
from ruiji_server.columns.neighbours import NeighbourTable
from ruiji_server.columns.reader import Columns
from ruiji_server.domain.items import ItemState, Price
from ruiji_server.domain.limits import MAX_ITEM_ID_BYTES
from ruiji_server.kernels.columns import ChangedColumns, EligibleItems, MergedCandidates, RankedPage, Tags
from ruiji_server.kernels.comparing import CompiledNeighbours, Nearest, nearest_among
from ruiji_server.kernels.listed import CompiledCatalogue

_FIRST_SLOTS = 256
_SLOT_COLUMNS = (
    "_embeddings", "_prices_minor", "_currency_numbers", "_category_numbers", "_states", "_ids_utf8", "_id_bytes",
)  # fmt: skip
_FREE = 0
"""State of a row that holds no item."""

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True, slots=True)
class ItemChange:
    """How one item stands now."""

    item_id: str
    item: ColumnItem | None
    """None if there is no such item any more, or none with an embedding of its present picture."""


class LiveColumns:
    """A generation's columns and their changes. Change and read it in one thread.

    Attributes:
        base: the generation's columns.
        hidden: shape (len(base),), bool: rows whose item changed or vanished.
    """

    def __init__(self, base: Columns) -> None:
        self.base = base
        self.hidden: NDArray[np.bool_] = np.zeros(len(base), dtype=np.bool_)
        self._hidden_rows: list[int] = []
        self._hidden_array: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._currencies = list(base.currencies)
        self._category_paths = list(base.category_paths)
        self._category_number = {path: number for number, path in enumerate(base.category_paths)}
        self._slot_of: dict[str, int] = {}
        self._free_slots: list[int] = []
        self._item_ids: list[str] = []
        self._embeddings = np.zeros((_FIRST_SLOTS, base.embeddings.shape[1]), dtype=np.float32)
        self._prices_minor = np.zeros(_FIRST_SLOTS, dtype=np.int64)
        self._currency_numbers = np.zeros(_FIRST_SLOTS, dtype=np.int32)
        self._category_numbers = np.zeros(_FIRST_SLOTS, dtype=np.int32)
        self._states = np.full(_FIRST_SLOTS, _FREE, dtype=np.uint8)
        self._ids_utf8 = np.zeros((_FIRST_SLOTS, MAX_ITEM_ID_BYTES), dtype=np.uint8)
        self._id_bytes = np.zeros(_FIRST_SLOTS, dtype=np.uint8)
        self._generation_rows: list[int | None] = []
        self._own_slots = np.zeros(len(base), dtype=np.int32)
        self._compiled_changes = self._pointed_to()
        self._tell_how_things_stand()

    @property
    def changed_items(self) -> int:
        """How many items have a row of their own after the generation's."""
        return len(self._slot_of)

    @property
    def hidden_rows(self) -> NDArray[np.int64]:
        """The generation's rows that are hidden, in no order."""
        if len(self._hidden_array) != len(self._hidden_rows):
            self._hidden_array = np.array(self._hidden_rows, dtype=np.int64)
        return self._hidden_array

    @property
    def has_changes(self) -> bool:
        """Whether anything differs from the generation."""
        return bool(self._slot_of or self._hidden_rows)

    @property
    def category_paths(self) -> Sequence[tuple[str, ...]]:
        """Category paths by number; changes only add to them."""
        return self._category_paths

    def apply(self, changes: Iterable[ItemChange]) -> None:
        """Take in how items stand now; applying the same change twice does no harm."""
        for change in changes:
            row = self._hide(change.item_id)
            if change.item is None:
                self._remove(change.item_id)
            else:
                self._put(change.item, row)
        self._tell_how_things_stand()

    def row_of(self, item_id: str) -> int | None:
        """Return the row of an item, or None if it is not here."""
        slot = self._slot_of.get(item_id)
        if slot is not None:
            return len(self.base) + slot
        row = self.base.row_of(item_id)
        return None if row is None or self.hidden[row] else row

    def item_id(self, row: int) -> str:
        """Return the id of the item in a row."""
        return self.base.item_id(row) if row < len(self.base) else self._item_ids[row - len(self.base)]

    def item_ids_utf8(self, rows: NDArray[np.int64]) -> list[bytes]:
        """Return the ids of the items in rows, as UTF-8; quicker than one by one."""
        if not self._slot_of or len(rows) == 0 or rows.max() < len(self.base):
            return self.base.item_ids_utf8(rows)
        return [self.item_id(row).encode() for row in rows.tolist()]

    def generation_row(self, row: int) -> int | None:
        """Return the row that an item has in the generation, hidden or not; None if there it has another embedding."""
        return row if row < len(self.base) else self._generation_rows[row - len(self.base)]

    def embedding(self, row: int) -> NDArray[np.float32]:
        """Return the embedding of the item in a row, shape (dimensions,), unit length."""
        if row < len(self.base):
            embedding: NDArray[np.float32] = self.base.embeddings[row]
        else:
            # A copy: the slot may be given to another item while a request still works with it.
            embedding = self._embeddings[row - len(self.base)].copy()
        return embedding

    def price(self, row: int) -> Price:
        """Return the price of the item in a row."""
        if row < len(self.base):
            return Price(*self.base.price(row))
        slot = row - len(self.base)
        return Price(int(self._prices_minor[slot]), self._currencies[self._currency_numbers[slot]])

    def category_path(self, row: int) -> tuple[str, ...]:
        """Return the category path of the item in a row."""
        if row < len(self.base):
            return self._category_paths[self.base.category_number(row)]
        return self._category_paths[int(self._category_numbers[row - len(self.base)])]

    def prices_minor(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the prices of items, shape (rows,)."""
        return self._gather(rows, self.base.prices_minor, self._prices_minor)

    def category_numbers(self, rows: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the category numbers of items, shape (rows,)."""
        return self._gather(rows, self.base.category_numbers, self._category_numbers)

    def states(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the states of items, shape (rows,), `domain.items.ItemState`."""
        return self._gather(rows, self.base.states, self._states)

    def are_priced_in(self, rows: NDArray[np.int64], currency: str) -> NDArray[np.bool_]:
        """Return which items have a currency, shape (rows,)."""
        number = self.currency_number(currency)
        if number is None:
            return np.zeros(len(rows), dtype=np.bool_)
        changed = rows >= len(self.base)
        priced_in = np.empty(len(rows), dtype=np.bool_)
        priced_in[~changed] = self.base.currency_numbers[rows[~changed]] == number
        priced_in[changed] = self._currency_numbers[rows[changed] - len(self.base)] == number
        return priced_in

    def cosines(self, rows: NDArray[np.int64], query: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the cosines of items to a query, shape (rows,).

        Args:
            rows: of the generation or of changed items.
            query: shape (dimensions,), float32, unit length.
        """
        changed = rows >= len(self.base)
        cosines = np.empty(len(rows), dtype=np.float32)
        cosines[~changed] = self.base.embeddings.take(rows[~changed], axis=0) @ query
        cosines[changed] = self.changed_cosines(rows[changed], query)
        return cosines

    def changed_rows(self) -> NDArray[np.int64]:
        """Return the rows of all changed items, sold ones included, ascending."""
        return np.array(sorted(self._slot_of.values()), dtype=np.int64) + len(self.base)

    def changed_rows_on_sale(self, currency: str | None, low_minor: int, high_minor: int) -> NDArray[np.int64]:
        """Return the rows of changed items on sale in a currency with a price between two amounts, both included.

        Args:
            currency: ISO 4217; None means every currency, and then the amounts do not count.
            low_minor: lowest price.
            high_minor: highest price.
        """
        used = len(self._item_ids)
        wanted = self._states[:used] == ItemState.ON_SALE
        if currency is not None:
            number = self.currency_number(currency)
            if number is None:
                return np.empty(0, dtype=np.int64)
            prices = self._prices_minor[:used]
            wanted &= (prices >= low_minor) & (prices <= high_minor)
            wanted &= self._currency_numbers[:used] == number
        return np.flatnonzero(wanted) + len(self.base)

    def changed_cosines(self, rows: NDArray[np.int64], query: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the cosines of changed items to a query, shape (rows,).

        Args:
            rows: as `changed_rows_on_sale` returns them.
            query: shape (dimensions,), float32, unit length.
        """
        cosines: NDArray[np.float32] = self._embeddings[rows - len(self.base)] @ query
        return cosines

    def rank(
        self,
        rows: NDArray[np.int64],
        cosines: NDArray[np.float32],
        category_similarities: NDArray[np.float32],
        weights: tuple[np.float32, np.float32],
        amount_minor: int,
        page_size: int,
    ) -> RankedPage | None:
        """Return the best of some candidates by the compiled kernel; None where NumPy has to do it.

        Arguments as for `kernels.columns.CompiledColumns.rank`.
        """
        compiled, changes = self.base.compiled, self._compiled_changes
        if compiled is None or changes is None or len(rows) == 0:
            return None
        return compiled.rank(changes, rows, cosines, category_similarities, weights, amount_minor, page_size)

    def merge_changed(
        self,
        rows: NDArray[np.int64],
        cosines: NDArray[np.float32],
        query: NDArray[np.float32],
        eligible: EligibleItems,
        pool_size: int,
    ) -> MergedCandidates | None:
        """Put changed items among candidates by the compiled kernel; None where NumPy has to do it.

        Arguments as for `kernels.columns.CompiledColumns.merge_changed`.
        """
        compiled, changes = self.base.compiled, self._compiled_changes
        if compiled is None or changes is None:
            return None
        return compiled.merge_changed(changes, len(self._item_ids), eligible, query, rows, cosines, pool_size)

    def write_items(
        self,
        rows: NDArray[np.int64],
        tags: Tags,
        scores: NDArray[np.float32],
        cosines: NDArray[np.float32],
        price_ratios: NDArray[np.float64] | None,
        category_similarities: NDArray[np.float32] | None,
        propensities: NDArray[np.float32] | None,
    ) -> bytes | None:
        """Write items in protobuf's wire format by the compiled kernel; None where that has to be done without.

        Arguments as for `kernels.columns.CompiledColumns.write_items`.
        """
        compiled, changes = self.base.compiled, self._compiled_changes
        if compiled is None or changes is None:
            return None
        return compiled.write_items(
            changes, rows, tags, scores, cosines, price_ratios, category_similarities, propensities
        )

    def nearest_among(self, rows: NDArray[np.uint32], query: NDArray[np.float32], most: int) -> Nearest | None:
        """Return the nearest of some of the generation's rows by the compiled kernel; None where NumPy has to do it.

        Arguments as for `kernels.comparing.nearest_among`.
        """
        compiled = self.base.compiled
        return None if compiled is None else nearest_among(compiled, rows, query, most)

    def neighbours(self, table: NeighbourTable) -> CompiledNeighbours | None:
        """Return what finds neighbours of neighbours by the compiled kernel; None where NumPy has to do it."""
        compiled = self.base.compiled
        return None if compiled is None else CompiledNeighbours(compiled, table.rows, table.cosines, self.hidden)

    def compiled_catalogue(
        self, table: NeighbourTable, similarities: Callable[[int], NDArray[np.float32]]
    ) -> CompiledCatalogue | None:
        """Return what the compiled kernel makes whole pages from; None where NumPy has to make them.

        Args:
            table: of the generation's rows.
            similarities: as for `kernels.listed.CompiledCatalogue`.
        """
        compiled, neighbours, changes = self.base.compiled, self.neighbours(table), self._compiled_changes
        if compiled is None or neighbours is None or changes is None or table.cosines is None:
            return None
        return CompiledCatalogue(compiled, neighbours, changes, similarities)

    def currency_number(self, currency: str) -> int | None:
        """Return the number of a currency, or None if no item has it."""
        return self._currencies.index(currency) if currency in self._currencies else None

    def _pointed_to(self) -> ChangedColumns | None:
        compiled = self.base.compiled
        return None if compiled is None else compiled.changed(
            categories=self._category_numbers,
            prices_minor=self._prices_minor,
            currencies=self._currency_numbers,
            states=self._states,
            embeddings=self._embeddings,
            ids=self._ids_utf8,
            id_bytes=self._id_bytes,
            hidden=self.hidden,
            own_slots=self._own_slots,
        )  # fmt: skip

    def _tell_how_things_stand(self) -> None:
        if self._compiled_changes is not None:
            self._compiled_changes.stand(
                len(self._item_ids), len(self._category_paths), has_changes=self.has_changes
            )  # fmt: skip

    def _gather(self, rows: NDArray[np.int64], base: NDArray[Scalar], changed: NDArray[Scalar]) -> NDArray[Scalar]:
        if not self._slot_of:
            return base[rows]
        after = rows >= len(self.base)
        if not after.any():
            return base[rows]
        values = np.empty(len(rows), dtype=changed.dtype)
        values[~after] = base[rows[~after]]
        values[after] = changed[rows[after] - len(self.base)]
        return values

    def _hide(self, item_id: str) -> int | None:
        """Hide an item's row of the generation, and return it."""
        row = self.base.row_of(item_id)
        if row is None:
            return None
        self._own_slots[row] = 0
        if not self.hidden[row]:
            self.hidden[row] = True
            self._hidden_rows.append(row)
        return row

    def _remove(self, item_id: str) -> None:
        slot = self._slot_of.pop(item_id, None)
        if slot is not None:
            self._states[slot] = _FREE
            self._free_slots.append(slot)

    def _put(self, item: ColumnItem, generation_row: int | None) -> None:
        slot = self._slot_of.get(item.item_id)
        if slot is None:
            slot = self._free_slots.pop() if self._free_slots else self._new_slot()
            self._slot_of[item.item_id] = slot
            self._item_ids[slot] = item.item_id
            encoded = item.item_id.encode()
            self._ids_utf8[slot, : len(encoded)] = np.frombuffer(encoded, dtype=np.uint8)
            self._id_bytes[slot] = len(encoded)
        self._embeddings[slot] = item.vector
        self._generation_rows[slot] = None
        if generation_row is not None and np.array_equal(self.base.embeddings[generation_row], item.vector):
            self._generation_rows[slot] = generation_row
            self._own_slots[generation_row] = 1 + slot
        self._prices_minor[slot] = item.price_minor
        self._currency_numbers[slot] = self._number_of_currency(item.currency)
        self._category_numbers[slot] = self._number_of_category(item.category_path)
        self._states[slot] = item.state

    def _new_slot(self) -> int:
        self._item_ids.append("")
        self._generation_rows.append(None)
        if len(self._item_ids) > len(self._states):
            for name in _SLOT_COLUMNS:
                array = getattr(self, name)
                setattr(self, name, np.concatenate((array, np.zeros_like(array))))
            grown = self._pointed_to()
            if grown is not None and self._compiled_changes is not None:
                self._compiled_changes.move_to(grown)
        return len(self._item_ids) - 1

    def _number_of_currency(self, currency: str) -> int:
        if currency not in self._currencies:
            self._currencies.append(currency)
        return self._currencies.index(currency)

    def _number_of_category(self, path: tuple[str, ...]) -> int:
        number = self._category_number.setdefault(path, len(self._category_paths))
        if number == len(self._category_paths):
            self._category_paths.append(path)
        return number
