"""How a catalogue file is to be understood."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from ruiji_server.domain.currencies import MINOR_UNIT_DIGITS
from ruiji_server.importing.errors import ImportSettingsError
from ruiji_server.importing.pictures.template import ImageTemplate
from ruiji_server.importing.prices import PriceNotation


class TableFormat(StrEnum):
    """Formats of tables, by the ending of their files."""

    TSV = "tsv"
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


class PictureCheck(StrEnum):
    """How closely a picture is looked at before it is imported. Measured on one core of a server CPU."""

    SIZE = "size"
    """Only the size of the file."""
    HEADER = "header"
    """Format and pixel count as well: 0.03 s for 1,000 pictures. Does not see a file that was cut short."""
    DECODE = "decode"
    """Every pixel, as an embedding worker will: 1 to 5 s for 1,000 pictures of 60 to 320 px, 20 s at 1200 px."""


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """What the file calls its columns; in JSON lines, its keys."""

    item_id: str = "id"
    title: str | None = "title"
    """None if the catalogue has no titles."""
    category_path: tuple[str, ...] = ("category_path",)
    """One column that holds whole paths, or several that hold one name each, from root to leaf."""
    price: str = "price"
    currency: str = "currency"
    """May be absent from the file if `ImportSettings.default_currency` is set."""
    image: str = "image"
    """Names of picture files. Not read where `ImportSettings.image_template` is set."""
    state: str = "state"
    """`on_sale` or `sold`. May be absent under this name; then everything is on sale."""


@dataclass(frozen=True, slots=True)
class ImportSettings:
    """How a catalogue file is to be understood."""

    columns: ColumnMapping = field(default_factory=ColumnMapping)
    category_separator: str = ">"
    """Between the names of a path; blanks around it do not count."""
    default_currency: str | None = None
    """ISO 4217 code where the file has no currency column, or an empty cell in it."""
    price_notation: PriceNotation = field(default_factory=PriceNotation)
    """How prices are written where they are text."""
    image_template: str | None = None
    """Makes the name of the picture file out of columns, such as `{id}.jpg`."""
    reference_pictures: bool = False
    """Leave pictures in their folder and store `file:` URIs. Workers must see the folder under the same path."""
    picture_check: PictureCheck = PictureCheck.HEADER
    table_format: TableFormat | None = None
    """None goes by the ending of the file's name."""
    delimiter: str | None = None
    """Between the cells of a line; None is a tab in TSV and a comma in CSV."""
    quoted: bool = True
    """Whether `"` around a cell of TSV or CSV is a quote, as spreadsheets and pandas write it, or part of the text."""

    def __post_init__(self) -> None:
        if not self.columns.category_path:
            raise ImportSettingsError("name at least one column for the category path")
        if not self.category_separator.strip():
            raise ImportSettingsError("the category separator must be more than blanks, such as '>'")
        if self.default_currency is not None and self.default_currency not in MINOR_UNIT_DIGITS:
            raise ImportSettingsError(f"{self.default_currency!r} is not an ISO 4217 code in upper case, such as 'JPY'")
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '\r\n"'):
            raise ImportSettingsError(
                f"{self.delimiter!r} cannot part cells: a delimiter is one character, such as ';'"
            )
        if self.image_template is not None:
            ImageTemplate(self.image_template)
