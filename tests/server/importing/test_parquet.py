"""Parquet: types of its own, rows for lines."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from ruiji_server.domain.errors import Reason
from ruiji_server.domain.items import Item
from ruiji_server.importing import ColumnMapping, ImportSettings, RowError, RowReason, TableError, open_catalogue


def write(pyarrow: ModuleType, path: Path, **columns: Any) -> None:
    """Write the columns, and whatever an item needs besides."""
    rows = len(next(iter(columns.values())))
    defaults = {
        "id": [f"item-{number}" for number in range(rows)],
        "title": ["t"] * rows,
        "category_path": ["A > B"] * rows,
        "price": ["5"] * rows,
        "currency": ["USD"] * rows,
    }
    pyarrow.parquet.write_table(pyarrow.table({**defaults, **columns}), path)


@pytest.fixture
def rows(pyarrow: ModuleType, tmp_path: Path):
    """Write columns, read items."""

    def rows(settings: ImportSettings | None = None, **columns: Any) -> list[Item | RowError]:
        write(pyarrow, tmp_path / "items.parquet", **columns)
        with open_catalogue(tmp_path / "items.parquet", settings=settings) as catalogue:
            read = list(catalogue)
            assert catalogue.rows_hint == len(read)
        return read

    return rows


@pytest.mark.parametrize(
    ("prices", "arrow_type", "minor"),
    [
        ([52, 1], "int32", [5200, 100]),
        (["52", "0.10"], "string", [5200, 10]),
        ([Decimal("52.0000"), Decimal("12.9900")], "decimal12.4", [5200, 1299]),
        ([Decimal("52.000"), Decimal("12.990")], "decimal12.3", [5200, 1299]),
        # Binary fractions stand for the shortest decimal that names them; 12.99 is none of them exactly.
        ([52.0, 12.99, 0.1, 599.01, 123456789.01], "float64", [5200, 1299, 10, 59901, 12345678901]),
        ([52.0, 12.99, 0.1], "float32", [5200, 1299, 10]),
        ([52.0, 12.99], "float16", [5200, 1299]),
    ],
)
def test_prices_of_every_type_are_exact(
    rows, pyarrow: ModuleType, prices: list[Any], arrow_type: str, minor: list[int]
) -> None:
    if arrow_type.startswith("float"):
        column = pyarrow.array(np.array(prices, arrow_type))
    elif arrow_type.startswith("decimal"):
        precision, scale = arrow_type.removeprefix("decimal").split(".")
        column = pyarrow.array(prices, pyarrow.decimal128(int(precision), int(scale)))
    else:
        column = pyarrow.array(prices, arrow_type)
    read = rows(price=column)
    assert [row.price.amount_minor for row in read] == minor


def test_bad_rows_are_reported_by_number(rows) -> None:
    read = rows(price=[5.0, None, float("nan"), 5.005, float("inf"), 6.0])
    assert [(row.line, row.reason) for row in read if isinstance(row, RowError)] == [
        (2, Reason.PRICE_MISSING),
        (3, Reason.PRICE_MISSING),
        (4, RowReason.PRICE_MALFORMED),
        (5, RowReason.PRICE_MALFORMED),
    ]
    assert [row.item_id for row in read if isinstance(row, Item)] == ["item-0", "item-5"]


def test_paths_may_be_lists_and_ids_whole_numbers(rows) -> None:
    read = rows(id=[1163, 1164], category_path=[["A", "B > b"], []])
    assert read[0].item_id == "1163"
    assert read[0].category_path == ("A", "B > b")
    assert read[1].reason is Reason.CATEGORY_PATH_INVALID


def test_dictionaries_and_columns_of_other_types_do_no_harm(rows, pyarrow: ModuleType) -> None:
    read = rows(
        currency=pyarrow.array(["JPY", "JPY"]).dictionary_encode(),
        embedding=[[0.5], [0.25]],
        listed_at=pyarrow.array([0, 1], pyarrow.timestamp("us")),
    )
    assert [row.price.currency for row in read] == ["JPY", "JPY"]


def test_a_column_name_may_have_a_dot(rows) -> None:
    settings = ImportSettings(columns=ColumnMapping(price="price.amount"))
    assert [row.price.amount_minor for row in rows(settings, **{"price.amount": [7]})] == [700]


def test_text_that_is_not_utf8_costs_its_row(rows, pyarrow: ModuleType) -> None:
    damaged = pyarrow.array([b"ok", "鞄".encode("shift_jis"), None], pyarrow.binary()).view(pyarrow.string())
    read = rows(title=damaged)
    assert [(row.line, row.reason, row.field) for row in read if isinstance(row, RowError)] == [
        (2, RowReason.NOT_UTF8, "title")
    ]
    assert [row.title for row in read if isinstance(row, Item)] == ["ok", ""]


def test_rows_are_numbered_across_batches(rows) -> None:
    read = rows(price=["5"] * 1500 + ["0"])
    assert [row.line for row in read if isinstance(row, RowError)] == [1501]
    assert len(read) == 1501


def test_a_missing_column_is_refused(pyarrow: ModuleType, tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"id": ["1"]}), tmp_path / "items.parquet")
    with pytest.raises(TableError, match=r"items\.parquet: there is no column 'category_path', 'currency', 'price'"):
        open_catalogue(tmp_path / "items.parquet")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"id,title\n1,t\n", b"PAR1" + b"\0" * 100 + b"PAR1"])
def test_a_file_that_is_not_parquet_is_refused(pyarrow: ModuleType, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "items.parquet").write_bytes(content)
    with pytest.raises(TableError, match=r"items\.parquet cannot be read as Parquet"):
        open_catalogue(tmp_path / "items.parquet")


def test_damage_behind_the_footer_ends_the_reading_with_a_name(pyarrow: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "items.parquet"
    write(pyarrow, path, price=[str(number + 1) for number in range(100)])
    content = bytearray(path.read_bytes())
    content[4:400] = b"\xff" * 396
    path.write_bytes(content)
    with pytest.raises(TableError, match="cannot be read as Parquet"), open_catalogue(path) as catalogue:
        list(catalogue)


def test_without_pyarrow_the_other_formats_still_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "ruiji_server.importing.tables.parquet", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "items.parquet").write_bytes(b"PAR1")
    with pytest.raises(TableError, match="pyarrow does not load here"):
        open_catalogue(tmp_path / "items.parquet")
    (tmp_path / "items.csv").write_text("id,title,category_path,price,currency\n1,t,A,5,USD\n")
    with open_catalogue(tmp_path / "items.csv") as catalogue:
        assert len(list(catalogue)) == 1
