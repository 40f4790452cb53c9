"""Writing the columns of a new generation in one pass over its items."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ruiji_server.columns import layout
from ruiji_server.columns.item import ColumnItem
from ruiji_server.columns.npy import write_npy_header
from ruiji_server.domain.items import ItemState

T = TypeVar("T")


@dataclass(slots=True)
class _Numbering(Generic[T]):
    numbers: dict[T, int] = field(default_factory=dict)

    def __call__(self, value: T) -> int:
        return self.numbers.setdefault(value, len(self.numbers))


def write_columns(
    folder: Path, items: Iterable[ColumnItem], count: int, dimensions: int, progress: Callable[[int], None]
) -> int:
    """Write all column files into an empty folder.

    Args:
        folder: where to.
        items: in ascending order of their ids' UTF-8 bytes, each id once.
        count: how many they are.
        dimensions: length of their embeddings.
        progress: told how many items were written since the last call.

    Returns:
        The number of items on sale.

    Raises:
        ValueError: the items are not `count`, or out of order.
    """
    prices = np.empty(count, dtype=np.int64)
    currencies = np.empty(count, dtype=np.uint8)
    categories = np.empty(count, dtype=np.int32)
    states = np.empty(count, dtype=np.uint8)
    id_ends = np.empty(count, dtype=np.uint64)
    hashes = np.empty(count, dtype=np.uint64)
    number_of_currency: _Numbering[str] = _Numbering()
    number_of_category: _Numbering[tuple[str, ...]] = _Numbering()
    previous = b""
    end = 0
    row = -1
    with (folder / layout.ITEM_IDS).open("wb") as ids, (folder / layout.EMBEDDINGS).open("wb") as embeddings:
        # Written and not mapped: a full disk is an error then, and the end of the process if it was mapped.
        write_npy_header(embeddings, "<f4", (count, dimensions))
        for row, item in enumerate(items):
            encoded = item.item_id.encode()
            if encoded <= previous:
                raise ValueError(f"item {item.item_id!r} is out of order")
            previous = encoded
            end += ids.write(encoded)
            embeddings.write(_vector_bytes(item.vector, dimensions))
            prices[row] = item.price_minor
            currencies[row] = number_of_currency(item.currency)
            categories[row] = number_of_category(item.category_path)
            states[row] = item.state
            id_ends[row] = end
            hashes[row] = layout.id_hash(encoded)
            progress(1)
    if row + 1 != count:
        raise ValueError(f"{row + 1} items came where {count} were announced")
    hash_rows = np.argsort(hashes, kind="stable")
    on_sale = np.flatnonzero(states == ItemState.ON_SALE)
    band_rows = on_sale[np.lexsort((on_sale, prices[on_sale], currencies[on_sale]))]
    band_ends = np.searchsorted(currencies[band_rows], np.arange(len(number_of_currency.numbers)), side="right")
    arrays: dict[str, NDArray[np.generic]] = {
        layout.PRICES: prices,
        layout.CURRENCIES: currencies,
        layout.CATEGORIES: categories,
        layout.STATES: states,
        layout.ITEM_ID_ENDS: id_ends,
        layout.ID_HASHES: hashes[hash_rows],
        layout.ID_HASH_ROWS: hash_rows.astype(np.uint32),
        layout.BAND_ROWS: band_rows.astype(np.uint32),
        layout.BAND_PRICES: prices[band_rows],
        layout.BAND_ENDS: band_ends.astype(np.int64),
    }
    for name, array in arrays.items():
        np.save(folder / name, array)
    names = {"currencies": list(number_of_currency.numbers), "categories": list(number_of_category.numbers)}
    (folder / layout.NAMES).write_text(json.dumps(names, ensure_ascii=False), encoding="utf-8")
    return len(on_sale)


def _vector_bytes(vector: NDArray[np.float32], dimensions: int) -> bytes:
    if vector.shape != (dimensions,):
        raise ValueError(f"an embedding has shape {vector.shape} where {dimensions} dimensions were announced")
    return vector.astype("<f4", copy=False).tobytes()
