"""Reading the columns of a generation: ids to rows, rows to ids, and the rows inside a price band."""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ruiji_server.columns import layout
from ruiji_server.kernels.columns import CompiledColumns
from ruiji_server.kernels.library import ABSENT, KERNELS, Kernels

Scalar = TypeVar("Scalar", bound=np.generic)

_NOTHING = (0, 0)


class Columns:
    """The columns of one generation, memory-mapped and read-only.

    Attributes:
        embeddings: shape (items, dimensions), float32, unit length.
        prices_minor: shape (items,), int64.
        currency_numbers: shape (items,), uint8.
        category_numbers: shape (items,), int32.
        states: shape (items,), uint8, `domain.items.ItemState`.
        currencies: ISO 4217 codes by number.
        category_paths: category paths by number.
        compiled: the kernels over these columns; None if the package was built without them.
    """

    def __init__(self, folder: Path) -> None:
        self.embeddings = _mapped(folder / layout.EMBEDDINGS, np.float32)
        self.prices_minor = _mapped(folder / layout.PRICES, np.int64)
        self.currency_numbers = _mapped(folder / layout.CURRENCIES, np.uint8)
        self.category_numbers = _mapped(folder / layout.CATEGORIES, np.int32)
        self.states = _mapped(folder / layout.STATES, np.uint8)
        self._items = len(self.prices_minor)
        self._id_ends = _mapped(folder / layout.ITEM_ID_ENDS, np.uint64)
        self._id_hashes = _mapped(folder / layout.ID_HASHES, np.uint64)
        self._id_hash_rows = _mapped(folder / layout.ID_HASH_ROWS, np.uint32)
        self._band_rows = _mapped(folder / layout.BAND_ROWS, np.uint32)
        self._band_prices = _mapped(folder / layout.BAND_PRICES, np.int64)
        self._band_ends = np.load(folder / layout.BAND_ENDS)
        self._ids = _mapped_bytes(folder / layout.ITEM_IDS)
        names = json.loads((folder / layout.NAMES).read_text(encoding="utf-8"))
        self.currencies: tuple[str, ...] = tuple(names["currencies"])
        self.category_paths: tuple[tuple[str, ...], ...] = tuple(tuple(path) for path in names["categories"])
        # One value out of a memoryview is a Python number at once, in a third of the time that an array takes.
        self._one_price, self._one_currency = self.prices_minor.data, self.currency_numbers.data
        self._one_category, self._one_id_end = self.category_numbers.data, self._id_ends.data
        self._one_hash, self._one_hash_row = self._id_hashes.data, self._id_hash_rows.data
        self.compiled = None if KERNELS is None else self._compiled(KERNELS)
        self._number_of_currency = {code: number for number, code in enumerate(self.currencies)}
        ends = self._band_ends.tolist()
        self._band_of_currency = dict(zip(self.currencies, zip([0, *ends][:-1], ends, strict=True), strict=True))

    def __len__(self) -> int:
        return self._items

    def row_of(self, item_id: str) -> int | None:
        """Return the row of an item, or None if it is not here."""
        encoded = item_id.encode()
        wanted = layout.id_hash(encoded)
        if self.compiled is not None:
            found = self.compiled.find_row(encoded, wanted)
            if found >= 0:
                return found
            if found == ABSENT:
                return None
        position = int(self._id_hashes.searchsorted(np.uint64(wanted)))
        # Two ids may share a hash; they stand side by side.
        while position < self._items and self._one_hash[position] == wanted:
            row: int = self._one_hash_row[position]
            if self._id_bytes(row) == encoded:
                return row
            position += 1
        return None

    def item_id(self, row: int) -> str:
        """Return the id of the item in a row."""
        return self._id_bytes(row).decode()

    def price(self, row: int) -> tuple[int, str]:
        """Return the price of the item in a row: minor units, and ISO 4217 code."""
        return self._one_price[row], self.currencies[self._one_currency[row]]

    def category_number(self, row: int) -> int:
        """Return the number of the category path of the item in a row."""
        number: int = self._one_category[row]
        return number

    def item_ids_utf8(self, rows: NDArray[np.int64]) -> list[bytes]:
        """Return the ids of the items in rows, as UTF-8."""
        ids, ends = self._ids, self._one_id_end
        return [ids[ends[row - 1] if row else 0 : ends[row]] for row in rows.tolist()]

    def currency_number(self, currency: str) -> int | None:
        """Return the number of a currency, or None if no item has it."""
        return self._number_of_currency.get(currency)

    def rows_on_sale(self, currency: str | None, low_minor: int, high_minor: int) -> NDArray[np.uint32]:
        """Return the rows on sale in a currency with a price between two amounts, both included; no copy.

        Args:
            currency: ISO 4217; None means every currency, and then the amounts do not count.
            low_minor: lowest price.
            high_minor: highest price.
        """
        first, last = self.positions_on_sale(currency, low_minor, high_minor)
        return self._band_rows[first:last]

    def positions_on_sale(self, currency: str | None, low_minor: int, high_minor: int) -> tuple[int, int]:
        """Return where these rows begin and end among all rows on sale, which stand by currency, price and row.

        Args:
            currency: as for `rows_on_sale`.
            low_minor: lowest price.
            high_minor: highest price.
        """
        if currency is None:
            return 0, len(self._band_rows)
        start, end = self._band_of_currency.get(currency, (0, 0))
        prices = self._band_prices[start:end]
        first = start + int(prices.searchsorted(low_minor, side="left"))
        return first, start + int(prices.searchsorted(high_minor, side="right"))

    def rows_in_currency(self, currency: str) -> NDArray[np.uint32]:
        """Return the rows on sale in a currency, by price and then row; no copy."""
        start, end = self._band_of_currency.get(currency, _NOTHING)
        return self._band_rows[start:end]

    def _compiled(self, kernels: Kernels) -> CompiledColumns:
        return CompiledColumns(
            kernels,
            id_ends=self._id_ends,
            ids=self._ids,
            id_hashes=self._id_hashes,
            id_hash_rows=self._id_hash_rows,
            categories=self.category_numbers,
            prices_minor=self.prices_minor,
            currencies=self.currency_numbers,
            embeddings=self.embeddings,
            band_rows=self._band_rows,
            band_prices=self._band_prices,
            band_ends=self._band_ends,
        )

    def _id_bytes(self, row: int) -> bytes:
        ends = self._one_id_end
        return self._ids[ends[row - 1] if row else 0 : ends[row]]


def _mapped(path: Path, dtype: type[Scalar]) -> NDArray[Scalar]:
    array: NDArray[Scalar] = np.load(path, mmap_mode="r")
    if array.dtype != dtype:
        raise ValueError(f"{path} holds {array.dtype}, not {np.dtype(dtype)}")
    # A plain view: numpy's memmap subclass costs a microsecond each time it is sliced.
    return array.view(np.ndarray)


def _mapped_bytes(path: Path) -> bytes | mmap.mmap:
    with path.open("rb") as file:
        # An empty file cannot be mapped.
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else b""
