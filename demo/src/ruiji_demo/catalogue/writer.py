"""The catalogue on disk, in the form that `ruiji catalog import` reads."""

from __future__ import annotations

import csv
import multiprocessing
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from ruiji_demo.catalogue.items import DemoItem, item_id_of, render_item

TABLE_FILE = "items.tsv"
PICTURES_FOLDER = "images"
COLUMNS = (
    "id", "title", "title_ja", "category_path", "price", "currency", "state", "image", "colour", "pattern", "style",
)  # fmt: skip
PATH_SEPARATOR = " > "

_PARALLEL_FROM = 400
"""Fewer items are rendered here: starting processes would take longer."""
_CHUNK = 32
"""Items that a process takes at a time."""


def render_catalogue(
    folder: Path,
    items: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
    processes: int | None = None,
) -> Path:
    """Render a catalogue: `items.tsv` and `images/<id>.jpg`.

    The same seed writes the same bytes, with any number of processes; a larger catalogue starts with the smaller one.

    Args:
        folder: made if need be; files of the same names are replaced.
        items: how many.
        seed: names the catalogue.
        progress: called with the number of items that were finished since the last call.
        processes: 1 renders in this process; by default one for each CPU that this process may use, if there are many
            items.

    Returns:
        The path of the table.

    Raises:
        ValueError: `items` or `seed` is negative, or `processes` is below 1.
    """
    if items < 0 or seed < 0 or (processes is not None and processes < 1):
        raise ValueError(f"cannot render {items} items of seed {seed} in {processes} processes: all must be positive")
    pictures = folder / PICTURES_FOLDER
    pictures.mkdir(parents=True, exist_ok=True)
    table = folder / TABLE_FILE
    partial_table = table.with_suffix(".tsv.partial")
    with partial_table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
        writer.writerow(COLUMNS)
        for row in _rows(pictures, items, seed, processes):
            writer.writerow(row)
            if progress is not None:
                progress(1)
    # The table appears when it is complete: a reader never takes half a catalogue for a whole one.
    partial_table.replace(table)
    return table


def _rows(pictures: Path, items: int, seed: int, processes: int | None) -> Iterator[tuple[str, ...]]:
    write = partial(_write_item, pictures, seed)
    if processes is None:
        processes = _usable_cpus() if items >= _PARALLEL_FROM else 1
    if processes == 1:
        yield from map(write, range(items))
        return
    # "spawn" is safe beside threads and gRPC, which a fork would copy in the middle of a lock.
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(write, range(items), chunksize=_CHUNK)


def _write_item(pictures: Path, seed: int, index: int) -> tuple[str, ...]:
    item = render_item(seed, index)
    (pictures / f"{item_id_of(index)}.jpg").write_bytes(item.picture)
    return _row(item)


def _row(item: DemoItem) -> tuple[str, ...]:
    return (
        item.item_id,
        item.title_en,
        item.title_ja,
        PATH_SEPARATOR.join(item.category_path),
        str(item.price_minor),
        item.currency,
        "sold" if item.sold else "on_sale",
        f"{PICTURES_FOLDER}/{item.item_id}.jpg",
        item.attributes.colour,
        item.attributes.pattern,
        item.attributes.style,
    )


def _usable_cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
