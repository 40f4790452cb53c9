"""`ruiji encoder pairs`: from listings to a set that training reads."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ruiji_cli.console import ERR, OUT, bar
from ruiji_cli.failures import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ruiji_encoder.pairs.pictures import PictureStore
    from ruiji_encoder.pairs.prepared import PreparedManifest
    from ruiji_encoder.pairs.records import Dropped, Pair, PairCounts
    from ruiji_encoder.pairs.tables import Columns


def pairs(
    sources: Annotated[
        list[Path],
        typer.Argument(
            exists=True, dir_okay=False, help="Tables (.tsv, .csv, .jsonl, .parquet), or WebDataset shards (.tar)."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the prepared set.")],
    pictures: Annotated[
        list[Path] | None,
        typer.Option(exists=True, help="Folder, zip or tar with the pictures; again for more. Shards bring theirs."),
    ] = None,
    id_column: Annotated[str, typer.Option(help="Column, or field of a shard's JSON, with the id.")] = "id",
    title_column: Annotated[
        list[str] | None, typer.Option(help="Column or JSON field with a title; again for more.  [default: title]")
    ] = None,
    category_column: Annotated[
        list[str] | None,
        typer.Option(
            help="Column or JSON field with the name of a category, learned beside the title; again for more."
        ),
    ] = None,
    picture_name: Annotated[
        str, typer.Option(help="A picture's name, with columns in braces: '{image}', '{id}.jpg'.")
    ] = "{image}",
    rules: Annotated[
        Path | None, typer.Option(help="TOML file with rules of your own, beside those that are shipped.")
    ] = None,
    languages: Annotated[str | None, typer.Option(help="Only rules about these: 'ja,en'.  [default: all]")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Keep this many good pairs, chosen by hash.")] = None,
    validation: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the validation side.")] = 0.05,
    test: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the test side.")] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="Of sample and split.")] = 0,
    keep_files: Annotated[
        bool, typer.Option("--keep-files", help="Keep picture files as they are and decode in every epoch.")
    ] = False,
    threads: Annotated[int, typer.Option(min=1, help="CPU cores to use.")] = 2,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the prepared set that is in the folder.")] = False,
) -> None:
    """Prepare picture-title pairs: filter, count every loss, sample, split without leaks, decode.

    Titles that are messages to one buyer (専用, "reserved for ...", somebody's name) are dropped by rules. Equal titles
    and nearly equal pictures stay on one side. A category is one more text that is true of the picture, in turn with
    the title, and joins nothing. Decoded pictures take 197 KB each; `--keep-files` saves that space.
    """
    from ruiji_encoder.pairs.preparation import PreparationSettings, prepare_pairs
    from ruiji_encoder.pairs.prepared import Storage
    from ruiji_encoder.pairs.rules import load_rules
    from ruiji_encoder.pairs.splitting import Split
    from ruiji_encoder.pairs.tables import Columns

    columns = Columns(id_column, tuple(title_column or ("title",)), picture_name, tuple(category_column or ()))
    title_rules = load_rules(rules, languages=None if languages is None else languages.split(","))
    settings = PreparationSettings(
        sample=sample,
        split=Split(validation=validation, test=test, seed=seed),
        storage=Storage.FILES if keep_files else Storage.PIXELS,
        threads=threads,
    )
    with ExitStack() as exits:
        listings, store = _opened(sources, pictures or [], columns, exits)
        advance = exits.enter_context(bar("Decode", sample))
        counts, manifest = prepare_pairs(
            listings,
            store,
            out,
            title_rules,
            settings,
            described=", ".join(source.name for source in sources),
            replace=replace,
            progress=advance,
        )
    _show_losses(counts)
    _show_set(out, manifest)


def _opened(
    sources: list[Path], pictures: list[Path], columns: Columns, exits: ExitStack
) -> tuple[Iterator[Pair | Dropped], PictureStore]:
    from ruiji_encoder.pairs.pictures import PictureStores
    from ruiji_encoder.pairs.shards import Shards
    from ruiji_encoder.pairs.tables import read_table

    shards = [source for source in sources if source.suffix == ".tar"]
    if shards and (len(shards) < len(sources) or pictures):
        raise UsageProblem("shards bring their own pictures and titles: give shards alone, or tables with --pictures")
    if shards:
        opened = exits.enter_context(
            Shards(shards, id_field=columns.pair_id, title_fields=columns.titles, category_fields=columns.categories)
        )
        return opened.pairs(), opened
    if not pictures:
        raise UsageProblem("say where the pictures are: --pictures FOLDER, or a zip or tar file")
    store = exits.enter_context(PictureStores(pictures))
    return (listing for source in sources for listing in read_table(source, columns)), store


def _show_losses(counts: PairCounts) -> None:
    table = Table("what became of them", "listings", "such as", box=None)
    table.columns[1].justify = "right"
    table.add_row("read", f"{counts.read:,}", "")
    for reason, number in counts.dropped.most_common():
        example = counts.examples[reason][0]
        table.add_row(f"dropped: {reason}", f"{number:,}", escape(f"{example.where}: {example.what}"))
    if counts.not_sampled:
        table.add_row("not in the sample", f"{counts.not_sampled:,}", "")
    table.add_row("kept", f"{counts.kept:,}", "")
    ERR.print(table)


def _show_set(out: Path, manifest: PreparedManifest) -> None:
    sides = ", ".join(f"{number:,} {side}" for side, number in sorted(manifest.sides.items()))
    OUT.print(f"{out}: {manifest.pairs:,} pairs: {sides}", soft_wrap=True)
