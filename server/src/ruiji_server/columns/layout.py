"""Files of the columns; n items of d dimensions.

| file | dtype, shape | what |
| --- | --- | --- |
| embeddings.npy | float32 (n, d) | unit vectors |
| price_minor.npy | int64 (n,) | price in minor units |
| currency.npy | uint8 (n,) | number of the currency in names.json |
| category.npy | int32 (n,) | number of the category path in names.json |
| state.npy | uint8 (n,) | `domain.items.ItemState` |
| item_ids.bin, item_id_ends.npy | bytes; uint64 (n,) | ids one after the other, and where each ends |
| id_hashes.npy, id_hash_rows.npy | uint64, uint32 (n,) | hashes of the ids in ascending order, and their rows |
| band_rows.npy, band_prices.npy | uint32, int64 (on sale,) | rows on sale by currency, price and row; their prices |
| band_ends.npy | int64 (currencies,) | where each currency ends in band_rows |
| names.json | | currencies and category paths by number |
"""

from __future__ import annotations

import hashlib
from typing import Final

EMBEDDINGS: Final = "embeddings.npy"
PRICES: Final = "price_minor.npy"
CURRENCIES: Final = "currency.npy"
CATEGORIES: Final = "category.npy"
STATES: Final = "state.npy"
ITEM_IDS: Final = "item_ids.bin"
ITEM_ID_ENDS: Final = "item_id_ends.npy"
ID_HASHES: Final = "id_hashes.npy"
ID_HASH_ROWS: Final = "id_hash_rows.npy"
BAND_ROWS: Final = "band_rows.npy"
BAND_PRICES: Final = "band_prices.npy"
BAND_ENDS: Final = "band_ends.npy"
NAMES: Final = "names.json"

FILES: Final = (
    EMBEDDINGS, PRICES, CURRENCIES, CATEGORIES, STATES, ITEM_IDS, ITEM_ID_ENDS, ID_HASHES, ID_HASH_ROWS,
    BAND_ROWS, BAND_PRICES, BAND_ENDS, NAMES,
)  # fmt: skip


def id_hash(item_id: bytes) -> int:
    """Return the 64-bit hash by which an id is found: BLAKE2b's first 8 bytes, little-endian."""
    return int.from_bytes(hashlib.blake2b(item_id, digest_size=8).digest(), "little")
