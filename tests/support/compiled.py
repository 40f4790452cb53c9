"""Compiled kernels over columns that a test makes up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from ruiji_server.columns.layout import id_hash
from ruiji_server.kernels.columns import ChangedColumns, CompiledColumns
from ruiji_server.kernels.library import KERNELS


def compiled_columns(
    item_ids: Sequence[bytes],
    *,
    hashes: Sequence[int] | None = None,
    categories: Sequence[int] | None = None,
    prices_minor: Sequence[int] | None = None,
    embeddings: NDArray[np.float32] | None = None,
) -> CompiledColumns:
    """Return the kernels over items with these ids, all of one currency and on sale, row by row.

    What is not given is hashed, or the same for all.
    """
    assert KERNELS is not None, "the development environment has a C compiler, and so it has kernels"
    items = len(item_ids)
    of_rows = np.array([id_hash(item_id) for item_id in item_ids] if hashes is None else hashes, dtype=np.uint64)
    order = np.argsort(of_rows, kind="stable")
    prices = np.array([100] * items if prices_minor is None else prices_minor, dtype=np.int64)
    by_price = np.argsort(prices, kind="stable")
    return CompiledColumns(
        KERNELS,
        id_ends=np.cumsum([len(item_id) for item_id in item_ids], dtype=np.uint64),
        ids=b"".join(item_ids),
        id_hashes=of_rows[order],
        id_hash_rows=order.astype(np.uint32),
        categories=np.array([0] * items if categories is None else categories, dtype=np.int32),
        prices_minor=prices,
        currencies=np.zeros(items, np.uint8),
        embeddings=np.zeros((items, 2), np.float32) if embeddings is None else embeddings,
        band_rows=by_price.astype(np.uint32),
        band_prices=prices[by_price],
        band_ends=np.array([items]),
    )


def compiled_changes(columns: CompiledColumns, item_ids: Sequence[bytes], **given: np.ndarray) -> ChangedColumns:
    """Return changed items with these ids; what is not given is the same for all."""
    slots, longest = len(item_ids), max(map(len, item_ids), default=1)
    arrays = {
        "categories": np.zeros(slots, np.int32),
        "prices_minor": np.full(slots, 100),
        "currencies": np.zeros(slots, np.int32),
        "states": np.ones(slots, np.uint8),
        "embeddings": np.zeros((slots, 2), np.float32),
        "ids": np.array([[*item_id.ljust(longest)] for item_id in item_ids], np.uint8).reshape(slots, longest),
        "id_bytes": np.array([len(item_id) for item_id in item_ids], np.uint8),
        "hidden": np.zeros(columns.pointers.items, bool),
        "own_slots": np.zeros(columns.pointers.items, np.int32),
    }
    return columns.changed(**{**arrays, **given})
