"""`ruiji catalog`: bring items in, look at one."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ruiji_cli.console import ERR, OUT, bar
from ruiji_cli.options import DEFAULT_DATA, DataFolder, StoreUrl, store_url
from ruiji_cli.similar import price_text

if TYPE_CHECKING:
    from ruiji_server.domain.items import Item
    from ruiji_server.importing import CatalogueFile, ImportSettings, RowError
    from ruiji_server.store.catalogue import CatalogueStore
    from ruiji_server.store.engine import Database

app = typer.Typer(help="Bring items into the store, look at one.", no_args_is_help=True)

_BATCH_ITEMS = 200
_BATCH_BYTES = 32_000_000
_SHOWN_ERRORS = 20


@app.command("import")
def import_catalogue(
    table: Annotated[Path, typer.Argument(help="TSV, CSV, JSON lines or Parquet, by its ending.")],
    pictures: Annotated[
        list[Path],
        typer.Option("--pictures", "-p", help="Folder, zip or tar of pictures; several are searched in order."),
    ],
    data: DataFolder = DEFAULT_DATA,
    store: StoreUrl = None,
    currency: Annotated[str | None, typer.Option(help="ISO 4217, where the table has no currency.")] = None,
    id_column: Annotated[str, typer.Option(help="Column of item ids.")] = "id",
    title_column: Annotated[str, typer.Option(help="Column of titles.")] = "title",
    category_column: Annotated[
        list[str] | None,
        typer.Option(
            help="Column of category paths; several hold one name each, root first.  [default: category_path]"
        ),
    ] = None,
    category_separator: Annotated[str, typer.Option(help="Between the names of a path.")] = ">",
    price_column: Annotated[str, typer.Option(help="Column of prices in major units, such as 12.50.")] = "price",
    currency_column: Annotated[str, typer.Option(help="Column of ISO 4217 codes.")] = "currency",
    image_column: Annotated[str, typer.Option(help="Column of picture file names.")] = "image",
    image_template: Annotated[
        str | None, typer.Option(help="Makes the picture's file name of columns instead, such as '{id}.jpg'.")
    ] = None,
    reference: Annotated[
        bool, typer.Option("--reference", help="Leave pictures in their folder; workers read them there.")
    ] = False,
    errors: Annotated[Path | None, typer.Option(help="Write every bad row to this TSV file.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many rows.")] = None,
) -> None:
    """Import a catalogue file. Bad rows are reported by line; the rest is imported, and importing again is safe."""
    from ruiji_server.importing import ColumnMapping, ImportSettings
    from ruiji_server.store.engine import open_database

    settings = ImportSettings(
        columns=ColumnMapping(
            item_id=id_column,
            title=title_column,
            category_path=tuple(category_column or ["category_path"]),
            price=price_column,
            currency=currency_column,
            image=image_column,
        ),
        category_separator=category_separator,
        default_currency=currency,
        image_template=image_template,
        reference_pictures=reference,
    )
    data.mkdir(parents=True, exist_ok=True)
    database = open_database(store_url(data, store), create=True)
    counts, bad = import_file(database, table, pictures, settings, limit=limit)
    OUT.print(", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "nothing to import")
    _report(bad, errors)


@app.command()
def get(
    item_id: Annotated[str, typer.Argument(help="The item.")], data: DataFolder = DEFAULT_DATA, store: StoreUrl = None
) -> None:
    """Show an item and whether it is embedded."""
    from ruiji_server.domain.errors import ItemNotFound
    from ruiji_server.store.catalogue import CatalogueStore
    from ruiji_server.store.engine import open_database

    stored = CatalogueStore(open_database(store_url(data, store))).get(item_id)
    if stored is None:
        raise ItemNotFound(item_id)
    table = Table(show_header=False, box=None)
    table.add_row("title", escape(stored.item.title))
    table.add_row("price", price_text(stored.item.price.amount_minor, stored.item.price.currency))
    table.add_row("category", escape(" > ".join(stored.item.category_path)))
    table.add_row("state", stored.item.state.name.lower())
    table.add_row("picture", stored.picture_sha256)
    for status in stored.embeddings:
        state = "embedded" if status.embedded else "given up" if status.parked else "waiting"
        table.add_row(status.encoder_id, f"{state} {status.reason or ''} {escape(status.message or '')}".rstrip())
    OUT.print(table)


def import_file(
    database: Database,
    table: Path,
    pictures: list[Path],
    settings: ImportSettings,
    *,
    limit: int | None = None,
) -> tuple[Counter[str], list[RowError]]:
    """Import a catalogue file with a progress bar; return how many items had which outcome, and the bad rows."""
    from ruiji_server.domain.items import PictureContent
    from ruiji_server.importing import RowError, open_catalogue
    from ruiji_server.store.catalogue import CatalogueStore

    store = CatalogueStore(database)
    counts: Counter[str] = Counter()
    bad: list[RowError] = []
    batch: list[Item] = []
    size_bytes = 0
    with open_catalogue(table, pictures, settings) as catalogue, bar("Import", _total(catalogue, limit)) as advance:
        for number, row in enumerate(catalogue):
            if limit is not None and number == limit:
                break
            if isinstance(row, RowError):
                bad.append(row)
                advance(1)
                continue
            batch.append(row)
            size_bytes += len(row.picture.content) if isinstance(row.picture, PictureContent) else 0
            if len(batch) == _BATCH_ITEMS or size_bytes >= _BATCH_BYTES:
                counts.update(_write(store, batch))
                advance(len(batch))
                batch, size_bytes = [], 0
        counts.update(_write(store, batch))
        advance(len(batch))
    return counts, bad


def _total(catalogue: CatalogueFile, limit: int | None) -> int:
    return catalogue.rows_hint if limit is None else min(limit, catalogue.rows_hint)


def _write(store: CatalogueStore, batch: list[Item]) -> list[str]:
    if not batch:
        return []
    # Nobody repeats this request; an import that is started again compares item by item.
    request_id = f"import-{uuid.uuid4()}"
    answer = store.upsert(request_id, hashlib.sha256(request_id.encode()).hexdigest(), batch)
    return [str(outcome.kind) for outcome in answer.outcomes]


def _report(bad: list[RowError], errors: Path | None) -> None:
    if not bad:
        return
    by_reason = Counter(str(row.reason) for row in bad)
    summary = ", ".join(f"{count} {reason}" for reason, count in by_reason.most_common())
    ERR.print(f"[yellow]{len(bad)} rows were not imported:[/] {summary}")
    table = Table("line", "item", "field", "what is wrong")
    for row in bad[:_SHOWN_ERRORS]:
        table.add_row(str(row.line), escape(row.item_id), row.field, escape(row.message))
    ERR.print(table)
    if errors is not None:
        lines = (f"{row.line}\t{row.item_id}\t{row.reason}\t{row.field}\t{row.message}\n" for row in bad)
        errors.write_text("line\titem_id\treason\tfield\tmessage\n" + "".join(lines), encoding="utf-8")
    elif len(bad) > _SHOWN_ERRORS:
        ERR.print(f"and {len(bad) - _SHOWN_ERRORS} more; --errors FILE writes all of them")
