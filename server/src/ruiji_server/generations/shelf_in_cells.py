"""The items on sale in one currency, those near each other together, so that most of them can be passed over."""

from __future__ import annotations

import tempfile
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ruiji_server.columns.reader import Columns
from ruiji_server.generations.shelves import Block, Shelf
from ruiji_server.index.cells import Cells

_CELL_ITEMS = 1_000
"""On average. Smaller cells find more in as many comparisons, of which each takes longer."""
_CELLS_TOGETHER = 8
"""Whose items make a block, on average: they have most of the cells near them in common."""

_WRITTEN_AT_ONCE = 65_536


@dataclass(frozen=True, slots=True)
class ShelfInCells:
    """The items on sale in one currency, those near each other together."""

    cells: Cells
    shelves: tuple[Shelf, ...]
    """What is in each cell."""
    groups: NDArray[np.int64]
    """Numbers of the cells' groups: cells near each other."""

    @classmethod
    def of(cls, columns: Columns, shelf: Shelf, seed: int, folder: Path, executor: Executor) -> ShelfInCells:
        """Find the cells of a shelf.

        Args:
            columns: of the generation.
            shelf: whole.
            seed: of the cells.
            folder: where its embeddings are written once more, in the order of the cells; in a file without a name, so
                that they are gone with this object.
            executor: does parts of the work.
        """
        number = -(-len(shelf.rows) // _CELL_ITEMS)
        cells = Cells.fit(columns.embeddings, shelf.rows, number, seed, executor)
        held = cells.of(columns.embeddings, shelf.rows, executor)
        order = np.argsort(held, kind="stable")
        ends = held[order].searchsorted(np.arange(number + 1))
        rows, prices = shelf.rows[order], shelf.prices_minor[order]
        embeddings = _written_again(columns.embeddings, rows, folder)
        parts = tuple(
            Shelf(rows[start:end], prices[start:end], embeddings[start:end]) for start, end in pairwise(ends.tolist())
        )
        every = np.arange(number)
        groups = Cells.fit(cells.centres, every, -(-number // _CELLS_TOGETHER), seed, executor)
        return cls(cells, parts, groups.of(cells.centres, every, executor))

    def blocks(
        self, columns: Columns, asked: NDArray[np.int64], most: int, executor: Executor
    ) -> list[NDArray[np.int64]]:
        """Return items in blocks of such as lie near each other.

        Args:
            columns: of the generation.
            asked: rows of the items.
            most: items of a block.
            executor: does parts of the work.
        """
        group = self.groups[self.cells.of(columns.embeddings, asked, executor)]
        order = np.lexsort((columns.prices_minor[asked], group))
        together = np.split(asked[order], np.flatnonzero(np.diff(group[order])) + 1)
        return [block for rows in together for block in np.array_split(rows, -(-len(rows) // most))]

    def compare(self, block: Block, cells: int) -> None:
        """Compare each item of a block with those of its band in so many cells nearest to it."""
        near = self.cells.nearest(block.vectors, cells)
        wanted = near.sum(axis=1)
        # Those that most want first: they are the nearest to most, and what comes later is rarely near enough to keep.
        for cell in np.argsort(-wanted, kind="stable")[: np.count_nonzero(wanted)].tolist():
            block.compare(self.shelves[cell], np.flatnonzero(near[cell]))


def _written_again(embeddings: NDArray[np.float32], rows: NDArray[np.uint32], folder: Path) -> NDArray[np.float32]:
    """Return embeddings of rows in their order, mapped from a file without a name."""
    with tempfile.TemporaryFile(dir=folder) as file:
        for start in range(0, len(rows), _WRITTEN_AT_ONCE):
            # Not `tofile`, whose error would not say that the disk is full.
            file.write(embeddings[rows[start : start + _WRITTEN_AT_ONCE]].data)
        file.flush()
        mapped = np.memmap(file, embeddings.dtype, "r", shape=(len(rows), embeddings.shape[1]))
    # A plain view: numpy's memmap subclass costs a microsecond each time it is sliced.
    return mapped.view(np.ndarray)
