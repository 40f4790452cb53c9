"""Catalogues out of files: a table and its pictures become items, or errors that name the line.

    with open_catalogue(Path("items.tsv"), [Path("pictures")]) as catalogue:
        for row in catalogue:
            ...  # an Item, or a RowError

Knows no store and no gRPC.
"""

from ruiji_server.importing.catalogue import CatalogueFile, open_catalogue
from ruiji_server.importing.errors import (
    CatalogueImportError,
    ImportSettingsError,
    PictureSourceError,
    RowError,
    RowReason,
    TableError,
)
from ruiji_server.importing.prices import PriceNotation
from ruiji_server.importing.settings import ColumnMapping, ImportSettings, PictureCheck, TableFormat

__all__ = [
    "CatalogueFile",
    "CatalogueImportError",
    "ColumnMapping",
    "ImportSettings",
    "ImportSettingsError",
    "PictureCheck",
    "PictureSourceError",
    "PriceNotation",
    "RowError",
    "RowReason",
    "TableError",
    "TableFormat",
    "open_catalogue",
]
