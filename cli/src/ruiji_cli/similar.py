"""`ruiji similar`: ask a server from the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from ruiji_cli.console import OUT
from ruiji_cli.failures import UsageProblem
from ruiji_cli.options import DEFAULT_TARGET, Target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ruiji_client import Item, RuijiClient, SimilarItemsResponse


def similar(
    item_id: Annotated[str | None, typer.Argument(help="Item of the catalogue to look like.")] = None,
    target: Target = DEFAULT_TARGET,
    picture: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Ask with a picture instead of an item.")
    ] = None,
    batch: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Item ids, one a line: prints a JSON object for each."),
    ] = None,
    page_size: Annotated[int, typer.Option("--page-size", "-n", min=1, max=200, help="How many items.")] = 10,
    max_price_ratio: Annotated[float | None, typer.Option(help="Instead of the server's; inf for no band.")] = None,
    category_weight: Annotated[float | None, typer.Option(help="Instead of the server's, 0 to 1.")] = None,
    unit: Annotated[str | None, typer.Option(help="Ask as this user: experiments give them their variants.")] = None,
    variant: Annotated[
        str | None, typer.Option(metavar="EXPERIMENT/VARIANT", help="Answer by this variant of an experiment.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show how the page came about.")] = False,
) -> None:
    """Show the items that look like one of the catalogue, or like a picture."""
    from ruiji_client import ClientSettings, RuijiClient

    from ruiji_cli.patience import PATIENT

    if sum(query is not None for query in (item_id, picture, batch)) != 1:
        raise UsageProblem("name an item, or give --picture FILE or --batch FILE")
    if batch is not None and (unit or variant):
        raise UsageProblem("a batch takes no part in experiments: leave out --unit and --variant")
    with RuijiClient(ClientSettings(target, deadlines=PATIENT)) as client:
        if batch is not None:
            item_ids = [line for line in batch.read_text(encoding="utf-8").splitlines() if line]
            _print_batch(client, item_ids, page_size, max_price_ratio, category_weight)
            return
        answer = client.similar_items(
            item_id=item_id,
            picture=None if picture is None else picture.read_bytes(),
            page_size=page_size,
            max_price_ratio=max_price_ratio,
            category_weight=category_weight,
            unit_id=unit,
            variant=variant,
            explain=explain,
        )
        items = {hit.item_id: client.get_item(hit.item_id).item for hit in answer.items}
    OUT.print(page_table(answer, items, title=item_id or str(picture)))
    if explain:
        OUT.print(str(answer.explanation).strip())


def _print_batch(
    client: RuijiClient,
    item_ids: Sequence[str],
    page_size: int,
    max_price_ratio: float | None,
    category_weight: float | None,
) -> None:
    at_once = client.info().limits.max_batch_queries
    for start in range(0, len(item_ids), at_once):
        answer = client.similar_items_batch(
            item_ids[start : start + at_once],
            page_size=page_size,
            max_price_ratio=max_price_ratio,
            category_weight=category_weight,
        )
        for outcome in answer.outcomes:
            found: dict[str, object] = {"item_id": outcome.item_id}
            if outcome.HasField("error"):
                found["error"] = outcome.error.reason
            else:
                found["items"] = [{"item_id": hit.item_id, "score": round(hit.score, 6)} for hit in outcome.items]
            # Not through the console, which breaks lines at the terminal's width.
            typer.echo(json.dumps(found, ensure_ascii=False))


def page_table(page: SimilarItemsResponse, items: Mapping[str, Item], *, title: str) -> Table:
    """Return a page of similar items as a table; `items` has the listing of each by id."""
    table = Table(
        box=SIMPLE_HEAD,
        title=f"similar to {escape(title)}",
        caption=f"generation {page.generation_id}, encoder {page.encoder_id}"
        + "".join(f", {one.experiment}/{one.variant or 'interleaved'}" for one in page.variants)
        + (", the catalogue has no more" if page.catalogue_exhausted else ""),
    )
    table.add_column("item", no_wrap=True, min_width=11, max_width=24)
    table.add_column("title", no_wrap=True, overflow="ellipsis", max_width=23)
    for heading in ("price", "score", "cos  ", "×price", "cat "):
        table.add_column(heading, justify="right", no_wrap=True, min_width=len(heading))
    interleaved = any(one.interleaved for one in page.variants)
    if interleaved:
        table.add_column("team", no_wrap=True)
    for hit in page.items:
        item = items[hit.item_id]
        table.add_row(
            escape(hit.item_id),
            escape(item.title),
            price_text(item.price.amount_minor, item.price.currency_code),
            f"{hit.score:.3f}",
            f"{hit.cosine:.3f}",
            f"{hit.price_ratio:.2f}" if hit.HasField("price_ratio") else "",
            f"{hit.category_similarity:.2f}" if hit.HasField("category_similarity") else "",
            *((escape(hit.team),) if interleaved else ()),
        )
    return table


def price_text(amount_minor: int, currency: str) -> str:
    """Return an amount as people write it, such as `1,250 JPY` or `12.50 USD`."""
    from ruiji_server.domain.currencies import MINOR_UNIT_DIGITS

    digits = MINOR_UNIT_DIGITS[currency]
    whole, part = divmod(amount_minor, 10**digits)
    return f"{whole:,}{f'.{part:0{digits}d}' if digits else ''} {currency}"
