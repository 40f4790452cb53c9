"""What a row may say, and which column an error names. One error a row, and the others go on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ruiji_server.domain.errors import Reason
from ruiji_server.domain.items import Item, ItemState
from ruiji_server.importing import ColumnMapping, ImportSettings, ImportSettingsError, RowError, RowReason, TableError

GOOD: dict[str, Any] = {"id": "g", "title": "Lamp", "category_path": "Home > Lamps", "price": "52", "currency": "USD"}


def only(rows: list[Item | RowError]) -> Item | RowError:
    assert len(rows) == 1
    return rows[0]


def jsonl(**changes: object) -> str:
    return json.dumps({**GOOD, **changes})


def csv(**changes: str) -> str:
    cells = {**GOOD, **changes}
    return ",".join(cells) + "\n" + ",".join(cells.values()) + "\n"


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"id": ""}, Reason.ITEM_ID_INVALID, "id"),
        ({"id": " \t"}, Reason.ITEM_ID_INVALID, "id"),
        ({"id": None}, Reason.ITEM_ID_INVALID, "id"),
        ({"id": "x" * 129}, Reason.ITEM_ID_INVALID, "id"),
        ({"id": "a\u0007b"}, Reason.ITEM_ID_INVALID, "id"),
        ({"id": 5.5}, RowReason.VALUE_MALFORMED, "id"),
        ({"id": True}, RowReason.VALUE_MALFORMED, "id"),
        ({"id": ["a"]}, RowReason.VALUE_MALFORMED, "id"),
        ({"title": "x" * 1001}, Reason.TITLE_TOO_LONG, "title"),
        ({"title": {"en": "Lamp"}}, RowReason.VALUE_MALFORMED, "title"),
        ({"price": ""}, Reason.PRICE_MISSING, "price"),
        ({"price": None}, Reason.PRICE_MISSING, "price"),
        ({"price": "0"}, Reason.PRICE_OUT_OF_RANGE, "price"),
        ({"price": 0}, Reason.PRICE_OUT_OF_RANGE, "price"),
        ({"price": "-5"}, Reason.PRICE_OUT_OF_RANGE, "price"),
        ({"price": "99999999999999"}, Reason.PRICE_OUT_OF_RANGE, "price"),
        ({"price": "1,299"}, RowReason.PRICE_MALFORMED, "price"),
        ({"price": float("nan")}, RowReason.PRICE_MALFORMED, "price"),
        ({"price": False}, RowReason.VALUE_MALFORMED, "price"),
        ({"price": {"amount": 5}}, RowReason.VALUE_MALFORMED, "price"),
        ({"currency": ""}, Reason.CURRENCY_UNKNOWN, "currency"),
        ({"currency": "usd"}, Reason.CURRENCY_UNKNOWN, "currency"),
        ({"currency": "XXX"}, Reason.CURRENCY_UNKNOWN, "currency"),
        ({"category_path": ""}, Reason.CATEGORY_PATH_INVALID, "category_path"),
        ({"category_path": "Home >  > Lamps"}, Reason.CATEGORY_PATH_INVALID, "category_path"),
        ({"category_path": "Home > "}, Reason.CATEGORY_PATH_INVALID, "category_path"),
        ({"category_path": " > ".join("A" * 17)}, Reason.CATEGORY_PATH_INVALID, "category_path"),
        ({"category_path": []}, Reason.CATEGORY_PATH_INVALID, "category_path"),
        ({"category_path": ["Home", None]}, Reason.CATEGORY_PATH_INVALID, "category_path"),
        ({"category_path": ["Home", {}]}, RowReason.VALUE_MALFORMED, "category_path"),
        ({"state": "paused"}, Reason.ITEM_STATE_INVALID, "state"),
    ],
)
def test_a_bad_cell_is_reported_by_its_column(read, changes: dict[str, object], reason: str, field: str) -> None:
    bad, good = read("items.jsonl", jsonl(**changes) + "\n" + jsonl(id="next") + "\n")
    assert isinstance(bad, RowError)
    assert (bad.line, bad.reason, bad.field) == (1, reason, field)
    assert bad.message
    assert isinstance(good, Item)


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"id": 1163}, "item_id", "1163"),
        ({"id": " a b "}, "item_id", "a b"),
        ({"title": "  類似の鞄 👜  "}, "title", "類似の鞄 👜"),
        ({"title": 1984}, "title", "1984"),
        ({"title": None}, "title", ""),
        ({"category_path": "Home>Lamps > Desk"}, "category_path", ("Home", "Lamps", "Desk")),
        ({"category_path": ["Home", "A > B"]}, "category_path", ("Home", "A > B")),
        ({"state": "sold"}, "state", ItemState.SOLD),
        ({"state": "on_sale"}, "state", ItemState.ON_SALE),
        ({"state": ""}, "state", ItemState.ON_SALE),
        ({"state": None}, "state", ItemState.ON_SALE),
    ],
)
def test_what_cells_mean(read, changes: dict[str, object], field: str, value: object) -> None:
    assert getattr(only(read("items.jsonl", jsonl(**changes))), field) == value


@pytest.mark.parametrize(("price", "minor"), [(52, 5200), (52.0, 5200), (12.99, 1299), ("12.99", 1299)])
def test_prices_in_json_may_be_numbers_or_text(read, price: object, minor: int) -> None:
    assert only(read("items.jsonl", jsonl(price=price))).price.amount_minor == minor


def test_several_columns_make_a_path_and_may_end_early(read) -> None:
    settings = ImportSettings(columns=ColumnMapping(category_path=("a", "b", "c")))
    header = "id,title,price,currency,a,b,c\n"
    rows = read("items.csv", header + "1,t,5,USD,A,B > b,C\n2,t,5,USD,A,,\n3,t,5,USD,A,,C\n4,t,5,USD,,,\n", settings)
    assert [row.category_path for row in rows[:2]] == [("A", "B > b", "C"), ("A",)]
    assert [(row.line, row.field) for row in rows[2:]] == [(4, "a,b,c"), (5, "a,b,c")]


def test_errors_name_columns_as_the_file_does(read) -> None:
    settings = ImportSettings(columns=ColumnMapping(price="price_inr"), default_currency="INR")
    error = only(read("items.csv", "id,title,category_path,price_inr\n1,t,A,0\n", settings))
    assert (error.field, error.item_id) == ("price_inr", "1")


def test_a_default_currency_fills_gaps_and_no_more(read) -> None:
    settings = ImportSettings(default_currency="INR")
    rows = read("items.csv", "id,title,category_path,price,currency\n1,t,A,5,\n2,t,A,5,USD\n3,t,A,5,?\n", settings)
    assert [row.price.currency for row in rows[:2]] == ["INR", "USD"]
    assert rows[2].reason is Reason.CURRENCY_UNKNOWN


def test_titles_can_be_done_without(read) -> None:
    settings = ImportSettings(columns=ColumnMapping(title=None))
    assert only(read("items.csv", "id,category_path,price,currency\n1,A,5,USD\n", settings)).title == ""


def test_a_state_column_under_another_name_must_be_there(read) -> None:
    with pytest.raises(TableError, match="'status'"):
        read("items.csv", csv(), ImportSettings(columns=ColumnMapping(state="status")))


def test_the_separator_of_paths_can_be_chosen(read) -> None:
    settings = ImportSettings(category_separator="/")
    assert only(read("items.csv", csv(category_path="Home/A > B"), settings)).category_path == ("Home", "A > B")


def test_an_id_that_stands_twice_is_reported_where_it_comes_again(read) -> None:
    rows = read("items.jsonl", "\n".join([jsonl(id="a"), jsonl(id="b"), jsonl(id="a"), jsonl(id="a")]))
    assert [row.item_id for row in rows if isinstance(row, Item)] == ["a", "b"]
    errors = [row for row in rows if isinstance(row, RowError)]
    assert [(error.line, error.reason) for error in errors] == [
        (3, Reason.DUPLICATE_ITEM_ID),
        (4, Reason.DUPLICATE_ITEM_ID),
    ]
    assert "line 1" in errors[0].message


def test_a_bad_row_does_not_take_the_id_of_a_good_one(read) -> None:
    bad, good = read("items.jsonl", jsonl(price="0") + "\n" + jsonl())
    assert isinstance(bad, RowError)
    assert isinstance(good, Item)


@pytest.mark.parametrize(
    "changes",
    [
        {"columns": ColumnMapping(category_path=())},
        {"category_separator": " "},
        {"default_currency": "usd"},
        {"delimiter": ""},
        {"delimiter": ", "},
        {"delimiter": '"'},
        {"image_template": ""},
        {"image_template": "picture.jpg"},
        {"image_template": "{id"},
        {"image_template": "{}.jpg"},
        {"image_template": "{id!r}.jpg"},
        {"image_template": "{id:>8}.jpg"},
    ],
)
def test_settings_that_make_no_sense_are_refused_at_once(changes: dict[str, Any]) -> None:
    with pytest.raises(ImportSettingsError):
        ImportSettings(**changes)
