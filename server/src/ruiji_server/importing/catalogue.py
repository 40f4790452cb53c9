"""A catalogue in files, row by row: a valid item each, or what keeps the row from being one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from ruiji_server.domain.errors import InvalidArgument, Reason
from ruiji_server.domain.items import Item, Picture, PictureContent, PictureUri, check_item, check_item_id
from ruiji_server.domain.limits import MAX_ITEM_ID_BYTES
from ruiji_server.importing.cells import read_category_path, read_currency, read_price, read_state, read_text
from ruiji_server.importing.columns import category_column, column_of, wanted_columns
from ruiji_server.importing.errors import ImportSettingsError, RowError, RowFault, TableError
from ruiji_server.importing.pictures.checks import check_picture
from ruiji_server.importing.pictures.sources import PictureSources
from ruiji_server.importing.pictures.template import ImageTemplate
from ruiji_server.importing.seen_ids import SeenIds
from ruiji_server.importing.settings import ImportSettings
from ruiji_server.importing.tables.formats import open_table
from ruiji_server.importing.tables.table import Row, Table


class CatalogueFile:
    """A table and its pictures, opened by `open_catalogue`. Iterate over it for items and row errors.

    Memory does not grow with the rows; each archive's index takes some hundred bytes for each of its pictures. Not for
    two threads at a time.
    """

    def __init__(
        self,
        table: Table,
        pictures: PictureSources | None,
        settings: ImportSettings,
        wanted: frozenset[str],
        template: ImageTemplate | None,
    ) -> None:
        self._table = table
        self._pictures = pictures
        self._settings = settings
        self._wanted = wanted
        self._template = template
        self._image_columns = template.columns if template is not None else (settings.columns.image,)
        self._seen = SeenIds()

    @cached_property
    def rows_hint(self) -> int:
        """How many rows to expect, for progress: exact for Parquet, at most so many for text, which is read for it."""
        return self._table.count_rows()

    def __iter__(self) -> Iterator[Item | RowError]:
        """Yield an item or an error for each row, in the table's order.

        Raises:
            TableError: the table cannot be read any further.
        """
        self._seen.close()
        self._seen = SeenIds()
        for row in self._table.rows(self._wanted):
            if isinstance(row, RowError):
                yield row
                continue
            outcome = self._read(row)
            if isinstance(outcome, Item):
                self._seen.add(outcome.item_id, row.line)
            yield outcome

    def line_of(self, item_id: str) -> int | None:
        """Return the line of an item that was yielded, for whoever learns later that it was not taken."""
        return self._seen.line_of(item_id)

    def close(self) -> None:
        """Close archives, remove temporary files."""
        self._seen.close()
        if self._pictures is not None:
            self._pictures.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, row: Row) -> Item | RowError:
        item_id = ""
        try:
            with _at(self._settings.columns.item_id):
                item_id = read_text(row.cells[self._settings.columns.item_id])
                check_item_id(item_id)
                self._check_new(item_id)
            return self._item(item_id, row)
        except RowFault as fault:
            return RowError(row.line, item_id[:MAX_ITEM_ID_BYTES], fault.reason, fault.field, fault.message)

    def _check_new(self, item_id: str) -> None:
        line = self._seen.line_of(item_id)
        if line is not None:
            raise RowFault(Reason.DUPLICATE_ITEM_ID, f"item {item_id!r} stands on line {line} already")

    def _item(self, item_id: str, row: Row) -> Item:
        columns, settings, cells = self._settings.columns, self._settings, row.cells
        with _at(columns.title or ""):
            title = read_text(cells[columns.title]) if columns.title is not None else ""
        with _at(columns.currency):
            currency = read_currency(cells.get(columns.currency), settings.default_currency)
        with _at(columns.price):
            price = read_price(cells[columns.price], currency, settings.price_notation)
        with _at(category_column(columns)):
            path = read_category_path([cells[name] for name in columns.category_path], settings.category_separator)
        with _at(columns.state):
            state = read_state(cells.get(columns.state))
        item = Item(item_id, title, price, path, state)
        try:
            check_item(item)
        except InvalidArgument as error:
            raise RowFault(error.reason, error.message, field=column_of(error.field, columns)) from error
        # Last, because a picture costs more than everything before it.
        with _at(",".join(self._image_columns)):
            return Item(item_id, title, price, path, state, self._picture(row))

    def _picture(self, row: Row) -> Picture | None:
        if self._pictures is None:
            return None
        found = self._pictures.find(self._picture_name(row))
        check_picture(found.content, self._settings.picture_check)
        if self._settings.reference_pictures and found.path is not None:
            return PictureUri(found.path.as_uri())
        return PictureContent(found.content)

    def _picture_name(self, row: Row) -> str:
        texts = {name: read_text(row.cells[name]) for name in self._image_columns}
        for name, text in texts.items():
            if not text:
                raise RowFault(Reason.PICTURE_MISSING, f"column {name!r}, which names the picture, is empty")
        return self._template.fill(texts) if self._template is not None else texts[self._settings.columns.image]


def open_catalogue(table: Path, pictures: Sequence[Path] = (), settings: ImportSettings | None = None) -> CatalogueFile:
    """Open a table and its pictures. Close what is returned, or use it as a context.

    Args:
        table: TSV, CSV, JSON lines or Parquet.
        pictures: folders, zip and tar archives, searched in this order. Without any, items come without pictures, which
            changes titles, prices and states of items that the catalogue has already.
        settings: how to understand the files; None is the default.

    Raises:
        ImportSettingsError: pictures of archives cannot be referenced where they lie.
        TableError: the table cannot be read, or lacks a column.
        PictureSourceError: a folder or archive cannot be read.
    """
    settings = settings or ImportSettings()
    archives = [str(path) for path in pictures if path.is_file()]
    if settings.reference_pictures and archives:
        raise ImportSettingsError(f"only pictures in folders can be referenced; unpack {', '.join(archives)} first")
    template = ImageTemplate(settings.image_template) if settings.image_template is not None else None
    image_columns = template.columns if template is not None else (settings.columns.image,)
    opened = open_table(table, settings)
    try:
        wanted = wanted_columns(opened.columns, settings, image_columns if pictures else ())
    except TableError as error:
        raise TableError(f"{table}: {error}") from error
    return CatalogueFile(opened, PictureSources(pictures) if pictures else None, settings, wanted, template)


@contextmanager
def _at(column: str) -> Iterator[None]:
    """Name the column in whatever fault arises inside."""
    try:
        yield
    except RowFault as fault:
        fault.field = fault.field or column
        raise
    except InvalidArgument as error:
        raise RowFault(error.reason, error.message, field=column) from error
