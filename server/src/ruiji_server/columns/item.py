"""What columns need of an item."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ruiji_server.domain.items import ItemState


class ColumnItem(Protocol):
    """What the columns hold of an item."""

    @property
    def item_id(self) -> str:
        """The item's id."""

    @property
    def price_minor(self) -> int:
        """Its price in minor units."""

    @property
    def currency(self) -> str:
        """ISO 4217."""

    @property
    def category_path(self) -> tuple[str, ...]:
        """Root to leaf."""

    @property
    def state(self) -> ItemState:
        """Whether it may be recommended."""

    @property
    def vector(self) -> NDArray[np.float32]:
        """Its embedding, shape (dimensions,), unit length."""
