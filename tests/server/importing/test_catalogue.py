"""A whole catalogue: the same items out of every format, read as a stream, as often as one likes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
import ruiji_server.importing
from ruiji_server.domain.items import Item, ItemState, PictureContent, Price
from ruiji_server.importing import ImportSettings, PictureCheck, RowError, open_catalogue

from tests.support.catalogues import png

GOLDEN = Path(__file__).parent / "golden"
PICTURES = GOLDEN / "pictures"


def golden_picture(name: str) -> PictureContent:
    return PictureContent((PICTURES / name).read_bytes())


GOLDEN_ITEMS = [
    Item(
        "bag-1",
        "類似の鞄「赤」",
        Price(12800, "JPY"),
        ("Fashion", "Bags"),
        ItemState.ON_SALE,
        golden_picture("red.png"),
    ),
    Item(
        "lamp-2",
        'Lamp "Ø 12" — desk & reading',
        Price(5250, "USD"),
        ("Home", "Lamps", "Desk"),
        ItemState.SOLD,
        golden_picture("green.png"),
    ),
    Item("dates-3", "تمر فاخر", Price(1250, "KWD"), ("Food",), ItemState.ON_SALE, golden_picture("sub/blue.png")),
]


@pytest.mark.parametrize("name", ["items.tsv", "items.csv", "items.jsonl", "items.parquet"])
def test_every_format_gives_the_golden_items(request: pytest.FixtureRequest, name: str) -> None:
    if name.endswith("parquet"):
        request.getfixturevalue("pyarrow")
    with open_catalogue(GOLDEN / name, [PICTURES]) as catalogue:
        assert list(catalogue) == GOLDEN_ITEMS
        assert catalogue.rows_hint >= len(GOLDEN_ITEMS)


def test_a_catalogue_can_be_read_again_and_half_read() -> None:
    with open_catalogue(GOLDEN / "items.csv", [PICTURES]) as catalogue:
        assert next(iter(catalogue)) == GOLDEN_ITEMS[0]
        assert list(catalogue) == GOLDEN_ITEMS
        assert list(catalogue) == GOLDEN_ITEMS


def test_lines_of_items_can_be_asked_for_later() -> None:
    with open_catalogue(GOLDEN / "items.csv", [PICTURES]) as catalogue:
        list(catalogue)
        assert [catalogue.line_of(item.item_id) for item in GOLDEN_ITEMS] == [2, 4, 6]
        assert catalogue.line_of("nobody") is None


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    table = tmp_path / "items.csv"

    def peak_bytes(rows: int) -> int:
        with table.open("w") as file:
            file.write("id,title,category_path,price,currency,image\n")
            file.writelines(f"item-{number},a title of some length,A > B,5,USD,a.png\n" for number in range(rows))
        with open_catalogue(table, [tmp_path], ImportSettings(picture_check=PictureCheck.SIZE)) as catalogue:
            tracemalloc.start()
            count = sum(isinstance(row, Item) for row in catalogue)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert count == rows
        return peak

    # The lowest of some, since threads of other tests' servers allocate meanwhile. Holding the rows would take 1 MB.
    few, many = (min(peak_bytes(rows) for _ in range(4)) for rows in (500, 2_500))
    assert many < few + 200_000


def test_a_row_is_read_only_when_it_is_asked_for(tmp_path: Path) -> None:
    table = tmp_path / "items.csv"
    table.write_text("id,title,category_path,price,currency,image\n1,t,A,5,USD,a.png\n2,t,A,5,USD,b.png\n")
    (tmp_path / "a.png").write_bytes(png())
    with open_catalogue(table, [tmp_path]) as catalogue:
        rows: Iterator[Item | RowError] = iter(catalogue)
        assert isinstance(next(rows), Item)
        (tmp_path / "b.png").write_bytes(png())
        assert isinstance(next(rows), Item)


def test_the_public_names_are_these() -> None:
    assert ruiji_server.importing.__all__ == [
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
