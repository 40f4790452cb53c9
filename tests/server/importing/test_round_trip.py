"""Whatever items a marketplace has, writing them as rows and reading the rows gives the same items."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruiji_server.domain.currencies import MINOR_UNIT_DIGITS
from ruiji_server.domain.items import Item, ItemState, Price
from ruiji_server.domain.limits import MAX_PRICE_MINOR
from ruiji_server.importing import open_catalogue

COLUMNS = ("id", "title", "category_path", "price", "currency", "state")


def texts(max_size: int, *, without: str = "") -> st.SearchStrategy[str]:
    """Text that keeps its ends when blanks are stripped; NUL is refused at the door."""
    characters = st.characters(exclude_categories=["Cs"], exclude_characters=without + "\0")
    return st.text(characters, max_size=max_size).map(str.strip)


ITEMS = st.lists(
    st.builds(
        Item,
        item_id=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)
        .map(str.strip)
        .filter(bool),
        title=texts(60),
        price=st.builds(Price, st.integers(1, MAX_PRICE_MINOR), st.sampled_from(sorted(MINOR_UNIT_DIGITS))),
        category_path=st.lists(texts(20, without=">").filter(bool), min_size=1, max_size=16).map(tuple),
        state=st.sampled_from(ItemState),
    ),
    max_size=8,
    unique_by=lambda item: item.item_id,
)


def major_units(price: Price) -> Decimal:
    return Decimal(price.amount_minor).scaleb(-MINOR_UNIT_DIGITS[price.currency])


def cells(item: Item) -> dict[str, str]:
    path = " > ".join(item.category_path)
    price = f"{major_units(item.price):f}"
    values = (item.item_id, item.title, path, price, item.price.currency, item.state.name.lower())
    return dict(zip(COLUMNS, values, strict=True))


def read(table: Path) -> list[object]:
    with open_catalogue(table) as catalogue:
        assert catalogue.rows_hint >= 0
        return list(catalogue)


def write_delimited(table: Path, items: Sequence[Item], **dialect: Any) -> None:
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, **dialect)
        writer.writeheader()
        writer.writerows(map(cells, items))


def write_csv(table: Path, items: Sequence[Item]) -> None:
    write_delimited(table, items)


def write_csv_of_unix(table: Path, items: Sequence[Item]) -> None:
    write_delimited(table, items, dialect="unix")


def write_tsv(table: Path, items: Sequence[Item]) -> None:
    write_delimited(table, items, dialect="excel-tab")


def write_jsonl(table: Path, items: Sequence[Item]) -> None:
    table.write_text("".join(json.dumps(cells(item)) + "\n" for item in items), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("items.csv", write_csv),
        ("items.csv", write_csv_of_unix),
        ("items.tsv", write_tsv),
        ("items.jsonl", write_jsonl),
    ],
)
@settings(max_examples=100, deadline=None)
@given(items=ITEMS.filter(bool))
def test_text_tables(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    write: Callable[[Path, Sequence[Item]], None],
    items: list[Item],
) -> None:
    table = tmp_path_factory.getbasetemp() / name
    write(table, items)
    assert read(table) == items


# The fixture only imports a module, which may well be shared by the examples.
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=ITEMS)
def test_parquet(tmp_path_factory: pytest.TempPathFactory, pyarrow: ModuleType, items: list[Item]) -> None:
    table = tmp_path_factory.getbasetemp() / "items.parquet"
    text = pyarrow.string()
    columns = {name: pyarrow.array([cells(item)[name] for item in items], text) for name in COLUMNS}
    columns["price"] = pyarrow.array([major_units(item.price) for item in items], pyarrow.decimal128(20, 3))
    columns["category_path"] = pyarrow.array([list(item.category_path) for item in items], pyarrow.list_(text))
    pyarrow.parquet.write_table(pyarrow.table(columns), table)
    assert read(table) == items
