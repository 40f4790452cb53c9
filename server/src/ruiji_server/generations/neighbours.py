"""Working out the neighbour table: each item's nearest others that are on sale, in its currency and its price band.

Up to some size by matrix products, so exactly. Items are taken in the order of their prices: then the bands of a block
of items overlap nearly whole, and what they are compared with is one stretch of the items on sale, ordered by price as
well. That work grows with the square of the catalogue, so in a larger one the index proposes neighbours, and only items
whose bands keep too few of those are compared with all.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ruiji_server.columns.neighbours import COSINES, NEIGHBOURS, NO_NEIGHBOUR
from ruiji_server.columns.npy import write_npy_header
from ruiji_server.columns.reader import Columns
from ruiji_server.domain.items import ItemState
from ruiji_server.index.usearch_index import UsearchIndex
from ruiji_server.ranking.price_band import PriceBand

_BLOCK_ITEMS = 512
_TILE_ITEMS = 8_192
"""Block times tile: 16 MB of cosines, which stay in the cache of two cores."""
_PROPOSALS = (512, 2_048)
"""How many the index is asked for, and how many at the second try."""
_NO_COSINE = np.float32(-np.inf)

Scalar = TypeVar("Scalar", np.uint32, np.float32)


@dataclass(frozen=True, slots=True)
class NeighbourTableSettings:
    """What the table holds, and how it is worked out."""

    width: int = 128
    """Neighbours of each item: the candidates of the ranking policy, and some to spare for those that are sold. 0
    makes no table."""
    max_price_ratio: float = 2.0
    """Of the band; queries with a narrower one can use the table, those with a wider one cannot."""
    exact_up_to: int = 500_000
    """Items of the largest catalogue that is compared as a whole."""


def write_neighbours(
    folder: Path,
    columns: Columns,
    index: UsearchIndex,
    settings: NeighbourTableSettings,
    progress: Callable[[int], None],
) -> None:
    """Write the neighbour table of a generation under construction.

    Args:
        folder: of the generation.
        columns: its columns.
        index: its index, for catalogues above `exact_up_to`.
        settings: see there.
        progress: told how many items were done since the last call.
    """
    table = _Table(folder, columns, settings.width)
    rows = np.arange(len(columns), dtype=np.int64)
    if len(columns) > settings.exact_up_to:
        for proposals in _PROPOSALS:
            rows = _propose(table, columns, index, rows, proposals, settings.max_price_ratio, progress)
    _compare(table, columns, rows, settings.max_price_ratio, progress)
    table.flush()


class _Table:
    """The table's two files under construction."""

    def __init__(self, folder: Path, columns: Columns, width: int) -> None:
        self.width = width
        self._embeddings = columns.embeddings
        shape = len(columns), width
        self._rows = _new_file(folder / NEIGHBOURS, np.dtype(np.uint32), shape)
        self._cosines = _new_file(folder / COSINES, np.dtype(np.float32), shape)

    def fill(self, items: NDArray[np.int64], rows: NDArray[np.uint32]) -> None:
        """Write the neighbours of items, shape (items, width), and their cosines."""
        self._rows[items] = rows
        for item, neighbours in zip(items.tolist(), rows, strict=True):
            known = neighbours[neighbours != NO_NEIGHBOUR]
            # One by one, as a server without the table works them out, so that both give the same numbers.
            self._cosines[item, : len(known)] = self._embeddings.take(known, axis=0) @ self._embeddings[item]

    def flush(self) -> None:
        """Write to disk what is still in memory."""
        self._rows.flush()
        self._cosines.flush()


def _new_file(path: Path, dtype: np.dtype[Scalar], shape: tuple[int, int]) -> np.memmap[Any, np.dtype[Scalar]]:
    with path.open("wb") as file:
        write_npy_header(file, dtype.str, shape)
        start = file.tell()
        # Claimed at once: on a full disk this is an error, and writing through the map would be the end of the process.
        os.posix_fallocate(file.fileno(), start, shape[0] * shape[1] * dtype.itemsize)
    return np.memmap(path, dtype, "r+", start, shape)


def _compare(
    table: _Table, columns: Columns, rows: NDArray[np.int64], max_ratio: float, progress: Callable[[int], None]
) -> None:
    """Fill rows of the table by comparing the items with all that are on sale in their bands."""
    width = table.width
    for number, currency in enumerate(columns.currencies):
        # On sale, by price and row.
        shelf = columns.rows_in_currency(currency)
        shelf_prices, shelf_embeddings = columns.prices_minor[shelf], columns.embeddings[shelf]
        asked = rows[columns.currency_numbers[rows] == number]
        asked = asked[np.argsort(columns.prices_minor[asked], kind="stable")]
        for start in range(0, len(asked), _BLOCK_ITEMS):
            block = asked[start : start + _BLOCK_ITEMS]
            low, high = _bands(columns.prices_minor[block], max_ratio)
            first, last = shelf_prices.searchsorted(low, side="left"), shelf_prices.searchsorted(high, side="right")
            best = _Best(len(block), width)
            # From the middle of the stretch, whose items are in most bands, so that the bar rises early.
            for place in _from_the_middle(int(first.min()), int(last.max())):
                tile = slice(place, min(place + _TILE_ITEMS, int(last.max())))
                cosines = columns.embeddings[block] @ shelf_embeddings[tile].T
                _mask(cosines, tile, first, last)
                cosines[_pairs(block, shelf[tile])] = _NO_COSINE
                best.offer_tile(cosines, shelf[tile])
            table.fill(block, best.rows)
            progress(len(block))


def _propose(
    table: _Table,
    columns: Columns,
    index: UsearchIndex,
    rows: NDArray[np.int64],
    proposals: int,
    max_ratio: float,
    progress: Callable[[int], None],
) -> NDArray[np.int64]:
    """Fill rows of the table from what the index finds near the items; return those that it could not fill."""
    too_few: list[NDArray[np.int64]] = []
    width = table.width
    for start in range(0, len(rows), _BLOCK_ITEMS):
        block = rows[start : start + _BLOCK_ITEMS]
        vectors = columns.embeddings[block]
        found = index.search_many(vectors, min(proposals, len(columns)))
        low, high = _bands(columns.prices_minor[block], max_ratio)
        prices = columns.prices_minor[found]
        eligible = (found >= 0) & (found != block[:, None]) & (columns.states[found] == ItemState.ON_SALE)
        eligible &= columns.currency_numbers[found] == columns.currency_numbers[block][:, None]
        eligible &= (prices >= low[:, None]) & (prices <= high[:, None])
        filled = eligible.sum(axis=1) >= width
        owners, places = np.nonzero(eligible & filled[:, None])
        neighbours = found[owners, places]
        best = _Best(len(block), width)
        best.offer(
            owners,
            neighbours.astype(np.uint32),
            np.einsum("ij,ij->i", columns.embeddings[neighbours], vectors[owners]),
        )
        table.fill(block[filled], best.rows[filled])
        too_few.append(block[~filled])
        progress(int(filled.sum()))
    return np.concatenate(too_few)


def _bands(prices_minor: NDArray[np.int64], max_ratio: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the lowest and the highest price around each price."""
    bands = [PriceBand.around(price, max_ratio) for price in prices_minor.tolist()]
    return np.array([band.low_minor for band in bands]), np.array([band.high_minor for band in bands])


def _from_the_middle(start: int, end: int) -> list[int]:
    places = np.arange(start, end, _TILE_ITEMS)
    nearest: list[int] = places[np.argsort(np.abs(2 * places + _TILE_ITEMS - start - end), kind="stable")].tolist()
    return nearest


def _mask(cosines: NDArray[np.float32], tile: slice, first: NDArray[np.int64], last: NDArray[np.int64]) -> None:
    """Take out what lies outside an item's stretch of the shelf."""
    if first.max() > tile.start or last.min() < tile.stop:
        places = np.arange(tile.start, tile.stop)
        cosines[(places < first[:, None]) | (places >= last[:, None])] = _NO_COSINE


def _pairs(block: NDArray[np.int64], others: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return where the same item stands in both; each has an item once."""
    _, here, there = np.intersect1d(block, others, assume_unique=True, return_indices=True)
    return here, there


class _Best:
    """The nearest items seen so far, for each of a block.

    Attributes:
        rows: shape (items, width), best first, `NO_NEIGHBOUR` after the last.
    """

    def __init__(self, items: int, width: int) -> None:
        self._width = width
        self.rows = np.full((items, width), NO_NEIGHBOUR, dtype=np.uint32)
        self._cosines = np.full((items, width), _NO_COSINE, dtype=np.float32)

    def offer_tile(self, cosines: NDArray[np.float32], rows: NDArray[np.uint32]) -> None:
        """Look at a tile: cosines of shape (items, n) with the items in rows of shape (n,)."""
        # Only what is as near as the worst that is kept can matter, and after the first tiles little is.
        bar = self._cosines[:, -1]
        if cosines.shape[1] > self._width and np.isneginf(bar).any():
            in_tile = np.partition(cosines, cosines.shape[1] - self._width, axis=1)[:, -self._width]
            bar = np.maximum(bar, in_tile)
        owners, places = np.nonzero(cosines >= np.maximum(bar, np.finfo(np.float32).min)[:, None])
        self.offer(owners, rows[places], cosines[owners, places])

    def offer(self, owners: NDArray[np.int64], rows: NDArray[np.uint32], cosines: NDArray[np.float32]) -> None:
        """Look at neighbours of the block's items by number; all of shape (n,), no neighbour twice for an owner."""
        if len(owners) == 0:
            return
        kept_owners, kept_places = np.nonzero(self.rows != NO_NEIGHBOUR)
        owner = np.concatenate((kept_owners, owners))
        row = np.concatenate((self.rows[kept_owners, kept_places], rows))
        cosine = np.concatenate((self._cosines[kept_owners, kept_places], cosines))
        order = np.lexsort((row, -cosine, owner))
        owner, row, cosine = owner[order], row[order], cosine[order]
        place = np.arange(len(owner)) - owner.searchsorted(owner)
        kept = place < self._width
        self.rows[owner[kept], place[kept]] = row[kept]
        self._cosines[owner[kept], place[kept]] = cosine[kept]
