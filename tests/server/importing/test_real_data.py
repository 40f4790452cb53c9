"""Two real catalogues, and the settings under which the guide reads them."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from ruiji_encoding.pictures import decode_picture
from ruiji_server.domain.errors import Reason
from ruiji_server.domain.items import Item, PictureContent, Price
from ruiji_server.importing import ColumnMapping, ImportSettings, PictureCheck, RowError, open_catalogue

DATA = Path(__file__).parents[4] / "shared" / "data"
FASHION = ImportSettings(
    columns=ColumnMapping(price="price_inr", category_path=("masterCategory", "subCategory", "articleType")),
    default_currency="INR",
    image_template="{id}.jpg",
)


@pytest.fixture
def magento() -> Path:
    return folder("magento")


@pytest.fixture
def fashion() -> Path:
    return folder("fashion")


def folder(name: str) -> Path:
    if not (DATA / name / "items.tsv").is_file():
        pytest.skip(f"{name} is not among the data here")
    return DATA / name


def test_magento_reads_without_settings_and_without_errors(magento: Path) -> None:
    with open_catalogue(magento / "items.tsv", [magento / "images"]) as catalogue:
        items = list(catalogue)
        assert catalogue.rows_hint == len(items) == 453
    assert all(isinstance(item, Item) and isinstance(item.picture, PictureContent) for item in items)
    first = items[0]
    assert (first.item_id, first.price) == ("magento:MH01-Black", Price(5200, "USD"))
    assert first.category_path == ("Men", "Tops", "Hoodies & Sweatshirts")
    assert decode_picture(first.picture.content).shape == (256, 256, 3)


def test_fashion_reads_by_a_mapping_out_of_two_archives(fashion: Path) -> None:
    archives = [fashion / "images_hi.zip", fashion / "images_lo.zip"]
    with open_catalogue(fashion / "items.tsv", archives, FASHION) as catalogue:
        assert catalogue.rows_hint == 38_321
        items = list(islice(catalogue, 300))
    assert all(isinstance(item, Item) and isinstance(item.picture, PictureContent) for item in items)
    assert items[0].price == Price(89500, "INR")
    assert items[0].category_path == ("Apparel", "Topwear", "Tshirts")


def test_fashion_items_without_a_price_are_reported_by_line(fashion: Path, tmp_path: Path) -> None:
    lines = (fashion / "items.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
    part = tmp_path / "items.tsv"
    part.write_text("".join([lines[0], *lines[18_900:19_050]]), encoding="utf-8")
    settings = ImportSettings(FASHION.columns, default_currency="INR", picture_check=PictureCheck.SIZE)
    with open_catalogue(part, (), settings) as catalogue:
        rows = list(catalogue)
    assert [(row.line, row.item_id, row.reason, row.field) for row in rows if isinstance(row, RowError)] == [
        (18_982 - 18_899, "28319", Reason.PRICE_OUT_OF_RANGE, "price_inr")
    ]
    assert len(rows) == 150
