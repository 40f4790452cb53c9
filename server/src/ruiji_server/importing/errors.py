"""What can go wrong while a catalogue is read, for the whole file and for one row of it.

    CatalogueImportError     nothing can be imported until someone acts; the message says how
      ImportSettingsError    the settings contradict themselves
      TableError             the table cannot be read, or lacks a column
      PictureSourceError     a folder or archive of pictures cannot be read

A fault of one row is no exception to the caller but a `RowError` among the items.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ruiji_server.domain.errors import Reason


class CatalogueImportError(Exception):
    """Nothing can be imported until someone acts."""


class ImportSettingsError(CatalogueImportError):
    """The settings contradict themselves."""


class TableError(CatalogueImportError):
    """The table cannot be read, or lacks a column."""


class PictureSourceError(CatalogueImportError):
    """A folder or archive of pictures cannot be read."""


class RowReason(StrEnum):
    """Faults that only a file has; what is wrong with an item itself has a `Reason`. Never rename one."""

    LINE_TOO_LONG = "LINE_TOO_LONG"
    NOT_UTF8 = "NOT_UTF8"
    PICTURE_NAME_INVALID = "PICTURE_NAME_INVALID"
    PRICE_MALFORMED = "PRICE_MALFORMED"
    ROW_MALFORMED = "ROW_MALFORMED"
    VALUE_MALFORMED = "VALUE_MALFORMED"


@dataclass(frozen=True, slots=True)
class RowError:
    """A row that does not become an item."""

    line: int
    """Where the row begins: the file's own line, counted from 1; in Parquet, which has none, the row from 1."""
    item_id: str
    """As it stands in the row; empty if it cannot be told."""
    reason: Reason | RowReason
    """Stable, for programs."""
    field: str
    """The column at fault by the file's own name; empty where it is the row as a whole."""
    message: str
    """For people."""


class RowFault(Exception):  # noqa: N818  (of one row; it becomes a RowError before any caller sees it)
    """Leaves a row unread. `field` is empty until someone knows the column."""

    def __init__(self, reason: Reason | RowReason, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.field = field
