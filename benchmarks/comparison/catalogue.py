"""The items that everyone gets, the items that are asked for, and the right answers; made once for a work folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from ruiji_server.domain.items import ItemState
from ruiji_server.store.embedded_items import EmbeddedItem

from benchmarks.comparison.job import ARRAYS, CANDIDATES, PAGE_SIZE, VECTORS, Catalogue, write_catalogue
from benchmarks.comparison.sources import Reading, Source, SourceError

_DESCRIBED = "categories.json"
"""What the others need as numbers only: the currency, and the category paths by number."""
_BLOCK_QUERIES = 32
_NO_ROW = -1
_ROUNDING = 1e-4
"""Scores that differ by less may stand in either order: libraries add up float32 products differently."""


@dataclass(frozen=True)
class Queries:
    """Items that are asked for and the rows of their pages."""

    rows: NDArray[np.int64]
    """Shape (queries,)."""
    pages: NDArray[np.int64]
    """Shape (queries, `PAGE_SIZE`), best first; -1 after the last where fewer are eligible."""

    @classmethod
    def open(cls, path: Path) -> Queries:
        """Read what `prepare` wrote."""
        with np.load(path) as arrays:
            return cls(arrays["rows"], arrays["pages"])

    def recall(self, number: int, page: NDArray[np.int64]) -> float:
        """Return the share of a query's page that an answer has."""
        wanted = self.pages[number]
        wanted = wanted[wanted != _NO_ROW]
        return float(np.isin(wanted, page).mean()) if len(wanted) else 1.0


def measured_queries(folder: Path) -> Path:
    """Return the file of the queries that systems are measured with."""
    return folder / "queries.npz"


def tuning_queries(folder: Path) -> Path:
    """Return the file of other queries, by which search parameters are chosen."""
    return folder / "tuning.npz"


def fault(catalogue: Catalogue, row: int, page: NDArray[np.int64]) -> str | None:
    """Return what an answer does that none may, whatever its recall; None for a sound one.

    Args:
        catalogue: all items.
        row: the item that was asked for.
        page: the answer's rows, best first.
    """
    if not catalogue.eligible(row, page).all():
        return "has an item that is sold, outside the price band, or the one asked for"
    if len(np.unique(page)) < len(page):
        return "has an item twice"
    if (np.diff(catalogue.scores(row, page)) > _ROUNDING).any():
        return "is not ordered by score"
    return None


def prepare(
    folder: Path, source: Source, seed: int, *, measured: int, tuning: int, tell: Callable[[str], None] = lambda _: None
) -> None:
    """Make a catalogue and its queries in a folder, unless they are there.

    Args:
        folder: to fill.
        source: of the items.
        seed: of the queries.
        measured: queries to measure with.
        tuning: queries to choose search parameters by, none of which is measured.
        tell: given what it is at.

    Raises:
        SourceError: there are no items, too few on sale, or prices in several currencies.
    """
    if measured_queries(folder).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with source.open() as reading:
        if reading.count == 0:
            raise SourceError("nothing is embedded yet: run `ruiji worker run --drain` first")
        tell(f"reading {reading.count:,} items")
        _write_items(folder, reading)
    catalogue = Catalogue.open(folder)
    on_sale = np.flatnonzero(catalogue.on_sale)
    if len(on_sale) < measured + tuning:
        raise SourceError(
            f"{len(on_sale):,} items are on sale, fewer than the {measured + tuning:,} that would be asked for: "
            "give fewer --queries"
        )
    drawn = np.random.default_rng([seed, 2]).choice(on_sale, measured + tuning, replace=False)
    for path, rows in ((tuning_queries(folder), drawn[measured:]), (measured_queries(folder), drawn[:measured])):
        np.savez(path, rows=rows, pages=_exact_pages(catalogue, rows, tell))


def item_count(folder: Path) -> int:
    """Return how many items a prepared folder has."""
    return len(np.load(folder / VECTORS, mmap_mode="r"))


def prepared_items(folder: Path) -> Iterator[EmbeddedItem]:
    """Yield the items of a prepared folder, in the order of their ids."""
    described = json.loads((folder / _DESCRIBED).read_text())
    paths = [tuple(path) for path in described["category_paths"]]
    vectors = np.load(folder / VECTORS, mmap_mode="r").view(np.ndarray)
    with np.load(folder / ARRAYS) as arrays:
        columns = [arrays[name] for name in ("ids", "prices", "on_sale", "categories")]
    for row, (item_id, price, on_sale, category) in enumerate(zip(*columns, strict=True)):
        yield EmbeddedItem(
            item_id=item_id.decode(),
            price_minor=int(price),
            currency=described["currency"],
            category_path=paths[category],
            state=ItemState.ON_SALE if on_sale else ItemState.SOLD,
            vector=vectors[row],
        )


def _write_items(folder: Path, reading: Reading) -> None:
    vectors = np.empty((reading.count, reading.dimensions), dtype=np.float32)
    prices = np.empty(reading.count, dtype=np.int64)
    on_sale = np.empty(reading.count, dtype=np.bool_)
    categories = np.empty(reading.count, dtype=np.int32)
    ids: list[str] = []
    numbers: dict[tuple[str, ...], int] = {}
    currencies: set[str] = set()
    for row, item in enumerate(reading.items):
        ids.append(item.item_id)
        currencies.add(item.currency)
        vectors[row], prices[row] = item.vector, item.price_minor
        on_sale[row] = item.state == ItemState.ON_SALE
        categories[row] = numbers.setdefault(item.category_path, len(numbers))
    if len(currencies) != 1:
        raise SourceError(
            f"items have {len(currencies)} currencies ({', '.join(sorted(currencies))}), and this comparison knows one"
        )
    described = {"currency": currencies.pop(), "category_paths": list(numbers)}
    (folder / _DESCRIBED).write_text(json.dumps(described))
    write_catalogue(folder, ids, vectors, prices, on_sale, categories, list(numbers))


def _exact_pages(catalogue: Catalogue, queries: NDArray[np.int64], tell: Callable[[str], None]) -> NDArray[np.int64]:
    """Do the whole job by comparing each query with every item."""
    pages = np.full((len(queries), PAGE_SIZE), _NO_ROW, dtype=np.int64)
    all_rows = np.arange(len(catalogue.ids))
    for start in range(0, len(queries), _BLOCK_QUERIES):
        tell(f"exact answers, {start:,} of {len(queries):,} queries")
        block = queries[start : start + _BLOCK_QUERIES]
        cosines = catalogue.vectors[block] @ catalogue.vectors.T
        for place, (row, of_row) in enumerate(zip(block.tolist(), cosines, strict=True), start):
            eligible = np.flatnonzero(catalogue.eligible(row, all_rows))
            nearest = of_row[eligible]
            if len(eligible) > CANDIDATES:
                kept = np.argpartition(-nearest, CANDIDATES)[:CANDIDATES]
                eligible, nearest = eligible[kept], nearest[kept]
            page = catalogue.rank(row, eligible, nearest).rows
            pages[place, : len(page)] = page
    return pages
