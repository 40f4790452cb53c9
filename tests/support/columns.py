"""Items as the columns of a generation take them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ruiji_server.domain.items import ItemState


@dataclass(frozen=True)
class Column:
    """`columns.item.ColumnItem` as plain values."""

    item_id: str
    price_minor: int
    currency: str
    category_path: tuple[str, ...]
    state: ItemState
    vector: np.ndarray
