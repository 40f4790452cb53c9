"""Which format a table has."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ruiji_server.importing.errors import TableError
from ruiji_server.importing.settings import ImportSettings, TableFormat
from ruiji_server.importing.tables.delimited import DelimitedTable
from ruiji_server.importing.tables.json_lines import JsonLinesTable
from ruiji_server.importing.tables.table import Table

_ENDINGS: Final = {
    ".tsv": TableFormat.TSV,
    ".csv": TableFormat.CSV,
    ".jsonl": TableFormat.JSONL,
    ".ndjson": TableFormat.JSONL,
    ".parquet": TableFormat.PARQUET,
    ".pq": TableFormat.PARQUET,
}


def open_table(path: Path, settings: ImportSettings) -> Table:
    """Open a table by the format of the settings, or by the ending of the file's name.

    Raises:
        TableError: no such file, an unknown format, or not a table of that format.
    """
    if not path.is_file():
        raise TableError(f"there is no file {path}")
    table_format = settings.table_format or _ENDINGS.get(path.suffix.lower())
    match table_format:
        case TableFormat.TSV:
            return DelimitedTable(path, delimiter=settings.delimiter or "\t", quoted=settings.quoted)
        case TableFormat.CSV:
            return DelimitedTable(path, delimiter=settings.delimiter or ",", quoted=settings.quoted)
        case TableFormat.JSONL:
            return JsonLinesTable(path)
        case TableFormat.PARQUET:
            return _open_parquet(path)
        case None:
            raise TableError(
                f"{path.name} does not say what it is: known endings are {', '.join(_ENDINGS)}; "
                f"unpack a compressed table first, or name its format"
            )


def _open_parquet(path: Path) -> Table:
    # Imported here: pyarrow takes longer to load than most catalogues take to read.
    try:
        from ruiji_server.importing.tables.parquet import ParquetTable
    except ImportError as error:
        raise TableError(f"Parquet cannot be read, because pyarrow does not load here: {error}") from error
    return ParquetTable(path)
