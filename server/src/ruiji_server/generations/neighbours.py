"""Working out the neighbour table: each item's nearest others that are on sale, in its currency and its price band.

Up to some size by comparing each item with its whole band. That work grows with the square of the catalogue, so in a
larger one the items on sale are grouped into cells, and an item is compared with those of its band in the cells nearest
to it: as many as find enough of the neighbours of a sample. Either way most of the work is matrix products.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ruiji_server.columns.neighbours import COSINES, NEIGHBOURS, NO_NEIGHBOUR
from ruiji_server.columns.npy import write_npy_header
from ruiji_server.columns.reader import Columns
from ruiji_server.generations.recall import found_share
from ruiji_server.generations.shelf_in_cells import ShelfInCells
from ruiji_server.generations.shelves import Block, Shelf
from ruiji_server.index.nearest_kept import NearestKept

_BLOCK_ITEMS = 8_192
_LEAST_COMPARED = 8
"""Times the width: an item that meets fewer of its band in the cells around it is compared with all of its band, which
is small then."""
_FILLED_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class NeighbourTableSettings:
    """What the table holds, and how it is worked out."""

    width: int = 128
    """Neighbours of each item: the candidates of the ranking policy, and some to spare for those that are sold. 0
    makes no table."""
    max_price_ratio: float = 2.0
    """Of the band; queries with a narrower one can use the table, those with a wider one cannot."""
    exact_up_to: int = 500_000
    """Items on sale in a currency of which all are compared."""
    recall_target: float = 0.99
    """Share of the exact neighbours that the table of a larger currency should hold,"""
    cells_ladder: tuple[int, ...] = (32, 64, 96, 128, 192, 256, 384, 512)
    """and how many cells are tried for it, ascending; the last if none suffices."""
    recall_sample: int = 500
    """Items of such a currency that this is measured on."""
    seed: int = 0
    """Of the sample and the cells."""


def write_neighbours(
    folder: Path, columns: Columns, settings: NeighbourTableSettings, progress: Callable[[int], None]
) -> float:
    """Write the neighbour table of a generation under construction, on all cores.

    Args:
        folder: of the generation.
        columns: its columns.
        settings: see there.
        progress: told how many items were done since the last call.

    Returns:
        The share of the exact neighbours that it holds, 0 to 1, where not all were compared measured on a sample.
    """
    table = _Table(columns, settings.width)
    table.claim(folder)
    making, found = _Making(folder, columns, settings, table), 0.0
    # Blocks go side by side, so a product of matrices must not take all cores for itself.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(os.cpu_count()) as executor:
        for number, currency in enumerate(columns.currencies):
            asked = np.flatnonzero(columns.currency_numbers == number)
            found += len(asked) * making.fill(currency, asked, executor, progress)
    table.write(folder)
    return found / len(columns)


class _Table:
    """The table under construction.

    In memory, and not in its mapped files: blocks hold items from all over it, so that the kernel would write each page
    to the disk several times.
    """

    def __init__(self, columns: Columns, width: int) -> None:
        self._embeddings = columns.embeddings
        self._rows = np.full((len(columns), width), NO_NEIGHBOUR, dtype=np.uint32)
        self._cosines = np.zeros((len(columns), width), dtype=np.float32)

    def fill(self, nearest: NearestKept, those: NDArray[np.bool_]) -> None:
        """Take in the neighbours of those items; other threads may do so with others meanwhile."""
        items, rows = nearest.items[those], nearest.rows[those]
        self._rows[items] = rows
        whole = rows[:, -1] != NO_NEIGHBOUR
        # Item by item, as a server without the table works them out, so that both give the same numbers; cosines of
        # many items with many others are summed in another order.
        for start in range(0, len(items), _FILLED_AT_ONCE):
            some = slice(start, start + _FILLED_AT_ONCE)
            if whole[some].all():
                cosines = self._embeddings[rows[some]] @ self._embeddings[items[some], :, None]
                self._cosines[items[some]] = cosines[:, :, 0]
                continue
            for item, neighbours in zip(items[some].tolist(), rows[some], strict=True):
                known = neighbours[neighbours != NO_NEIGHBOUR]
                self._cosines[item, : len(known)] = self._embeddings.take(known, axis=0) @ self._embeddings[item]

    def claim(self, folder: Path) -> None:
        """Make the files at their full size: a disk without room for them is an error now, and not after the work."""
        for name, array in self._files.items():
            with (folder / name).open("wb") as file:
                write_npy_header(file, array.dtype.str, (array.shape[0], array.shape[1]))
                os.posix_fallocate(file.fileno(), file.tell(), array.nbytes)

    def write(self, folder: Path) -> None:
        """Fill the files."""
        for name, array in self._files.items():
            with (folder / name).open("r+b") as file:
                write_npy_header(file, array.dtype.str, (array.shape[0], array.shape[1]))
                array.tofile(file)

    @property
    def _files(self) -> dict[str, NDArray[np.uint32] | NDArray[np.float32]]:
        return {NEIGHBOURS: self._rows, COSINES: self._cosines}


@dataclass(frozen=True, slots=True)
class _Making:
    """Fills a table, currency by currency."""

    folder: Path
    columns: Columns
    settings: NeighbourTableSettings
    table: _Table

    def fill(
        self, currency: str, asked: NDArray[np.int64], executor: Executor, progress: Callable[[int], None]
    ) -> float:
        """Fill the rows of all items of a currency; return the share of the exact neighbours that they hold."""
        rows, prices = self.columns.rows_in_currency(currency), self.columns.prices_minor
        shelf, recall = Shelf(rows, prices[rows]), 1.0
        if len(rows) > self.settings.exact_up_to:
            near = ShelfInCells.of(self.columns, shelf, self.settings.seed, self.folder, executor)
            cells, recall = self._enough_cells(near, shelf, asked)
            blocks = near.blocks(self.columns, asked, _BLOCK_ITEMS, executor)
            asked = self._compare(
                blocks, lambda block: near.compare(block, cells), self._met_enough, executor, progress
            )
        asked = asked[np.argsort(prices[asked], kind="stable")]
        blocks = [asked[start : start + _BLOCK_ITEMS] for start in range(0, len(asked), _BLOCK_ITEMS)]
        self._compare(blocks, lambda block: block.compare(shelf), _all_did, executor, progress)
        return recall

    def _compare(
        self,
        blocks: Iterable[NDArray[np.int64]],
        look: Callable[[Block], None],
        met_enough: Callable[[Block], NDArray[np.bool_]],
        executor: Executor,
        progress: Callable[[int], None],
    ) -> NDArray[np.int64]:
        """Fill the rows of items, block by block; return those that met too few."""

        def compared(rows: NDArray[np.int64]) -> tuple[int, NDArray[np.int64]]:
            block = self._block(rows)
            look(block)
            enough = met_enough(block)
            self.table.fill(block.nearest, enough)
            return int(enough.sum()), block.nearest.items[~enough].astype(np.int64)

        too_few = [np.empty(0, np.int64)]
        for filled, left in executor.map(compared, blocks):
            progress(filled)
            too_few.append(left)
        return np.concatenate(too_few)

    def _enough_cells(self, near: ShelfInCells, shelf: Shelf, asked: NDArray[np.int64]) -> tuple[int, float]:
        """Return how many of the nearest cells find what they should, and which share of a sample's that is."""
        settings = self.settings
        rng = np.random.default_rng(settings.seed)
        sample = rng.choice(asked, min(settings.recall_sample, len(asked)), replace=False)
        exact = self._block(sample)
        exact.compare(shelf)
        cells, recall = 0, 0.0
        for cells in settings.cells_ladder:
            block = self._block(sample)
            near.compare(block, cells)
            # Those that met too few will be compared with all.
            shares = np.ones(len(sample))
            for place in np.flatnonzero(self._met_enough(block)).tolist():
                shares[place] = found_share(block.nearest.cosines[place], exact.nearest.cosines[place])
            recall = float(shares.mean())
            if recall >= settings.recall_target:
                break
        return cells, recall

    def _block(self, rows: NDArray[np.int64]) -> Block:
        return Block(self.columns, rows, self.settings.width, self.settings.max_price_ratio)

    def _met_enough(self, block: Block) -> NDArray[np.bool_]:
        """Return which items can have met their neighbours, shape (items,)."""
        return block.nearest.is_full & (block.compared >= _LEAST_COMPARED * self.settings.width)


def _all_did(block: Block) -> NDArray[np.bool_]:
    return np.ones(len(block.compared), dtype=np.bool_)
