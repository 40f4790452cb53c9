"""Which items are asked for: few of them often, most of them hardly ever."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


class ItemIdsError(ValueError):
    """A file that does not hold item ids; the message says what it should hold."""


def read_item_ids(path: Path) -> tuple[str, ...]:
    """Read item ids, one a line; blank lines do not count.

    Raises:
        ItemIdsError: the file cannot be read as UTF-8 text, or holds no id.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ItemIdsError(f"{path} cannot be read: {error}; it should hold item ids, one a line") from error
    item_ids = tuple(line.strip() for line in lines if line.strip())
    if not item_ids:
        raise ItemIdsError(f"{path} holds no item ids; it should hold one a line")
    return item_ids


class ZipfPopularity:
    """Draws items as visitors do: the k-th most popular of n with a probability proportional to 1 / k^exponent.

    Which item is popular is a seeded shuffle of the ids, so that it has nothing to do with their order in the file.
    Does not change; may be shared.

    Args:
        item_ids: what can be asked for.
        exponent: of the law; 0 asks for all items alike, 1 is near to what page views of shops look like.
        seed: of the shuffle.
    """

    def __init__(self, item_ids: Sequence[str], *, exponent: float, seed: int) -> None:
        if not item_ids:
            raise ItemIdsError("there are no item ids to draw from")
        if exponent < 0:
            raise ValueError(f"the Zipf exponent is {exponent}; it must be 0 or more")
        self._item_ids = item_ids
        self._by_rank: NDArray[np.int64] = np.random.default_rng(seed).permutation(len(item_ids))
        weights = np.arange(1, len(item_ids) + 1, dtype=np.float64) ** -exponent
        self._cumulative: NDArray[np.float64] = np.cumsum(weights) / weights.sum()

    def draw(self, count: int, rng: np.random.Generator) -> list[str]:
        """Return item ids, with repetitions."""
        ranks = np.searchsorted(self._cumulative, rng.random(count), side="right")
        # The last cumulative weight may fall short of 1 by rounding.
        rows = self._by_rank[np.minimum(ranks, len(self._item_ids) - 1)]
        return [self._item_ids[row] for row in rows]
