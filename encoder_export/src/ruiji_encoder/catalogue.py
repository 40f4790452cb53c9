"""Pictures with captions, for training and for fitting projections.

`CaptionedPictures` is all that training asks for. `FolderCatalogue` reads the project's catalogue format: a folder with
`items.tsv` (columns id, title, category_path, price, currency, image, and title_ja where there are Japanese titles) and
the pictures in `images/` beside it.
"""

from __future__ import annotations

import csv
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ruiji_encoder.errors import CatalogueError
from ruiji_encoder.picture_cache import decode_pictures

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_LOG = logging.getLogger(__name__)

ITEMS_FILE = "items.tsv"
IMAGES_FOLDER = "images"

_REQUIRED_COLUMNS = ("id", "title", "category_path", "image")
_TITLE_COLUMNS = ("title", "title_ja")
_ATTRIBUTE_COLUMNS = ("colour", "pattern", "style")
_PATH_SEPARATOR = " > "


class CaptionedPictures(Protocol):
    """A finite, indexable source of pictures, each with one or more captions that all describe it."""

    def __len__(self) -> int:
        """Return the number of pictures."""
        ...

    def pictures(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return these pictures as RGB, shape (len(rows), 256, 256, 3), uint8."""
        ...

    def captions(self, row: int) -> Sequence[str]:
        """Return one picture's captions, at least one; several are alternatives, as in two languages."""
        ...


@dataclass(frozen=True, slots=True)
class CatalogueItem:
    """One line of `items.tsv`, as far as training needs it."""

    line: int
    """In `items.tsv`; the header is line 1."""
    item_id: str
    """The catalogue's own id."""
    titles: tuple[str, ...]
    """One per language."""
    category: tuple[str, ...]
    """Path from the root to the leaf."""
    attributes: tuple[str, ...]
    """What the columns colour, pattern and style say, as far as there are any."""
    image: Path
    """The picture file."""

    @property
    def captions(self) -> tuple[str, ...]:
        """What is true of the picture, from short phrases to whole titles."""
        leaf = self.category[-1]
        phrases = [leaf, *(f"{attribute} {leaf}" for attribute in self.attributes)]
        if len(self.attributes) > 1:
            phrases.append(" ".join((*self.attributes, leaf)))
        return (*phrases, *self.titles)


@dataclass(frozen=True, slots=True)
class Fault:
    """An item that was left out."""

    line: int
    """In `items.tsv`; the header is line 1."""
    reason: str
    """For people."""


class FolderCatalogue:
    """A catalogue folder whose pictures have been decoded once, into a memory-mapped file.

    Attributes:
        items: those that can be used, in the order of `items.tsv`; row i is picture i.
        faults: those that cannot, and why.
    """

    def __init__(
        self,
        folder: Path,
        *,
        cache: Path,
        threads: int = 1,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Read `items.tsv` and decode the pictures, unless the cache holds them already.

        Args:
            folder: holds `items.tsv` and `images/`.
            cache: folder for decoded pictures, see `picture_cache.decode_pictures`.
            threads: decoders.
            progress: told the number of pictures done since the last call.

        Raises:
            CatalogueError: `items.tsv` is missing or of another format, or no item of it can be used.
        """
        items, faults = read_items(folder)
        if not items:
            raise CatalogueError(f"{folder / ITEMS_FILE} has no item that can be used: {_summary(faults)}")
        self._pixels, readable = decode_pictures(
            [item.image for item in items], cache, threads=threads, progress=progress
        )
        self._rows = np.flatnonzero(readable)
        self.items: tuple[CatalogueItem, ...] = tuple(items[row] for row in self._rows.tolist())
        broken = [items[row] for row in np.flatnonzero(~readable).tolist()]
        faults += [Fault(item.line, f"{item.image.name} is missing or no complete picture") for item in broken]
        self.faults = tuple(sorted(faults, key=lambda fault: fault.line))
        if not self.items:
            raise CatalogueError(f"{folder / ITEMS_FILE} has no item that can be used: {_summary(self.faults)}")
        if self.faults:
            _LOG.warning("%s: %s", folder / ITEMS_FILE, _summary(self.faults))

    def __len__(self) -> int:
        return len(self.items)

    def pictures(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return these pictures as RGB, shape (len(rows), 256, 256, 3), uint8."""
        return np.asarray(self._pixels[self._rows[rows]])

    def captions(self, row: int) -> Sequence[str]:
        """Return what is true of the item's picture, from short phrases to whole titles.

        The leaf of its category, the leaf with each attribute, with all of them, and its titles, one per language.
        Short phrases are shared by many pictures and are learned first.
        """
        return self.items[row].captions


def read_items(folder: Path) -> tuple[list[CatalogueItem], list[Fault]]:
    """Read `items.tsv`; lines that cannot be used become faults, the rest is returned.

    Raises:
        CatalogueError: the file is missing, is no UTF-8, or lacks a column.
    """
    path = folder / ITEMS_FILE
    items: list[CatalogueItem] = []
    faults: list[Fault] = []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            absent = [name for name in _REQUIRED_COLUMNS if name not in (lines.fieldnames or ())]
            if absent:
                raise CatalogueError(f"{path} lacks the columns {', '.join(absent)}")
            for record in lines:
                parsed = _parse(record, lines.line_num, folder)
                if isinstance(parsed, Fault):
                    faults.append(parsed)
                else:
                    items.append(parsed)
    except FileNotFoundError as error:
        raise CatalogueError(f"{path} is missing: a catalogue is a folder with items.tsv and images/") from error
    except UnicodeDecodeError as error:
        raise CatalogueError(f"{path} is not UTF-8") from error
    return items, faults


def _summary(faults: Sequence[Fault]) -> str:
    return (
        f"{len(faults)} left out, the first at line {faults[0].line}: {faults[0].reason}" if faults else "it is empty"
    )


def _parse(record: dict[str, str | None], line: int, folder: Path) -> CatalogueItem | Fault:
    values = {name: (value or "").strip() for name, value in record.items() if isinstance(value, str)}
    empty = [name for name in _REQUIRED_COLUMNS if not values.get(name)]
    if empty:
        return Fault(line, f"{', '.join(empty)} is empty")
    # Some catalogues name pictures from the folder of the table, some from the folder of the pictures.
    images = folder / IMAGES_FOLDER
    image = images / values["image"].removeprefix(f"{IMAGES_FOLDER}/")
    if not image.resolve().is_relative_to(images.resolve()):
        return Fault(line, f"image {values['image']} lies outside {IMAGES_FOLDER}/")
    return CatalogueItem(
        line=line,
        item_id=values["id"],
        titles=tuple(values[name] for name in _TITLE_COLUMNS if values.get(name)),
        category=tuple(part.strip() for part in values["category_path"].split(_PATH_SEPARATOR)),
        attributes=tuple(values[name] for name in _ATTRIBUTE_COLUMNS if values.get(name)),
        image=image,
    )
