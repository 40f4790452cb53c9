"""The job, as plain arrays: twenty similar items for an item id, in its price band, ordered by score.

Of all items on sale in the query's currency whose price is within a factor of two of its own, the 100 nearest by cosine
are ordered by 0.8 * cosine + 0.2 * category similarity, and the best twenty are the answer. Category similarity is
2 * length of the common prefix / (sum of both lengths).

This is what a team writes around a vector library: attributes in arrays by row, nothing per candidate in Python. All
other systems share it, so none is slow for the want of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PAGE_SIZE = 20
CANDIDATES = 100
MAX_PRICE_RATIO = 2
CATEGORY_WEIGHT = np.float32(0.2)
RECALL_TARGET = 0.95
"""At 20, of whole pages. A system that does not reach it is not measured."""

ARRAYS = "attributes.npz"
VECTORS = "vectors.npy"
"""Files of a catalogue."""

_WIDEST_SEARCH = 8_192

Rows = NDArray[np.int64]
Cosines = NDArray[np.float32]
Search = Callable[[int], tuple[Rows, Cosines]]
"""Returns so many nearest rows with their cosines, best first."""


@dataclass(frozen=True)
class Page:
    """An answer, best first; each field has an entry an item."""

    rows: Rows
    scores: NDArray[np.float32]
    cosines: Cosines
    price_ratios: NDArray[np.float64]
    category_similarities: NDArray[np.float32]


@dataclass(frozen=True)
class Catalogue:
    """All items by row; one currency."""

    ids: list[str]
    vectors: NDArray[np.float32]
    """Shape (items, dimensions), unit length; mapped into memory."""
    prices: NDArray[np.int64]
    """Minor units."""
    on_sale: NDArray[np.bool_]
    categories: NDArray[np.int32]
    """Number of each item's category."""
    similarities: NDArray[np.float32]
    """Shape (categories, categories)."""

    @classmethod
    def open(cls, folder: Path) -> Catalogue:
        """Read what `write_catalogue` wrote."""
        with np.load(folder / ARRAYS) as arrays:
            return cls(
                ids=np.char.decode(arrays["ids"], "utf-8").tolist(),
                vectors=np.load(folder / VECTORS, mmap_mode="r").view(np.ndarray),
                prices=arrays["prices"],
                on_sale=arrays["on_sale"],
                categories=arrays["categories"],
                similarities=arrays["similarities"],
            )

    def band(self, row: int) -> tuple[int, int]:
        """Return the lowest and the highest price allowed beside an item, both included."""
        price = int(self.prices[row])
        return -(-price // MAX_PRICE_RATIO), price * MAX_PRICE_RATIO

    def eligible(self, row: int, rows: Rows) -> NDArray[np.bool_]:
        """Return which rows may be on an item's page, shape (n,)."""
        low, high = self.band(row)
        prices = self.prices[rows]
        allowed: NDArray[np.bool_] = (prices >= low) & (prices <= high)
        allowed &= self.on_sale[rows]
        allowed &= rows != row
        return allowed

    def cosines(self, row: int, rows: Rows) -> Cosines:
        """Return exact cosines, for libraries whose own are rounded; shape (n,)."""
        cosines: Cosines = self.vectors[rows] @ self.vectors[row]
        return cosines

    def scan(self, row: int) -> tuple[Rows, Cosines]:
        """Return the candidates by exact search, best first."""
        rows = np.flatnonzero(self.eligible(row, np.arange(len(self.ids))))
        cosines = self.cosines(row, rows)
        best = np.lexsort((rows, -cosines))[:CANDIDATES]
        return rows[best], cosines[best]

    def scores(self, row: int, rows: Rows) -> NDArray[np.float32]:
        """Return the exact scores of rows beside an item, shape (n,)."""
        return _scores(self.cosines(row, rows), self.category_similarities(row, rows))

    def category_similarities(self, row: int, rows: Rows) -> NDArray[np.float32]:
        """Return how near the categories of rows are to an item's, shape (n,)."""
        similarities: NDArray[np.float32] = self.similarities[self.categories[row]][self.categories[rows]]
        return similarities

    def rank(self, row: int, rows: Rows, cosines: Cosines) -> Page:
        """Return the page from up to `CANDIDATES` eligible rows."""
        similarities = self.category_similarities(row, rows)
        scores = _scores(cosines, similarities)
        best = np.lexsort((rows, -scores))[:PAGE_SIZE]
        prices, price = self.prices[rows[best]], self.prices[row]
        ratios = np.maximum(prices, price) / np.minimum(prices, price)
        return Page(rows[best], scores[best], cosines[best], ratios, similarities[best])


def _scores(cosines: Cosines, category_similarities: NDArray[np.float32]) -> NDArray[np.float32]:
    return (1 - CATEGORY_WEIGHT) * cosines + CATEGORY_WEIGHT * category_similarities


def search_and_filter(catalogue: Catalogue, row: int, breadth: int, search: Search) -> tuple[Rows, Cosines]:
    """Return candidates from an index that knows no prices: ask for more than needed, filter, widen if few are left.

    Args:
        catalogue: the attributes.
        row: the query.
        breadth: neighbours asked for at first.
        search: asks the index.
    """
    while True:
        rows, cosines = search(min(breadth, len(catalogue.ids)))
        kept = catalogue.eligible(row, rows)
        if np.count_nonzero(kept) >= PAGE_SIZE or breadth >= len(catalogue.ids):
            return rows[kept][:CANDIDATES], cosines[kept][:CANDIDATES]
        if breadth >= _WIDEST_SEARCH:
            return catalogue.scan(row)
        breadth *= 4


def write_catalogue(
    folder: Path,
    ids: list[str],
    vectors: NDArray[np.float32],
    prices: NDArray[np.int64],
    on_sale: NDArray[np.bool_],
    categories: NDArray[np.int32],
    paths: Sequence[tuple[str, ...]],
) -> None:
    """Write a catalogue; `paths` are those of the categories, by number."""
    np.save(folder / VECTORS, vectors)
    np.savez(
        folder / ARRAYS,
        ids=np.array([item_id.encode() for item_id in ids], dtype=np.bytes_),
        prices=prices,
        on_sale=on_sale,
        categories=categories,
        similarities=_similarities(paths),
    )


def _similarities(paths: Sequence[tuple[str, ...]]) -> NDArray[np.float32]:
    """Return the similarity of each two paths, shape (categories, categories)."""
    depth = max(map(len, paths))
    nodes: dict[tuple[str, ...], int] = {}
    numbers = np.full((len(paths), depth), -1, dtype=np.int32)
    for place, path in enumerate(paths):
        for level in range(len(path)):
            # A prefix's own number, so equal numbers mean equal paths down to it.
            numbers[place, level] = nodes.setdefault(path[: level + 1], len(nodes))
    lengths = np.array([len(path) for path in paths], dtype=np.float32)
    common = np.zeros((len(paths), len(paths)), dtype=np.float32)
    for level in range(depth):
        column = numbers[:, level]
        common += (column[:, None] == column) & (column >= 0)
    similarities: NDArray[np.float32] = 2 * common / (lengths[:, None] + lengths)
    return similarities
