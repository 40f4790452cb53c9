"""TSV, CSV and JSON lines: true line numbers, and no fault that costs more than its own row."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruiji_server.domain.items import Item
from ruiji_server.importing import ImportSettings, RowError, RowReason, TableError, TableFormat, open_catalogue
from ruiji_server.importing.tables.lines import MAX_LINE_BYTES

HEADER = "id,title,category_path,price,currency\n"


def ids(rows: list[Item | RowError]) -> list[str]:
    return [row.item_id for row in rows if isinstance(row, Item)]


def faults(rows: list[Item | RowError]) -> list[tuple[int, str]]:
    return [(row.line, row.reason) for row in rows if isinstance(row, RowError)]


def row(item_id: str, title: str = "t") -> str:
    return f"{item_id},{title},A,5,USD\n"


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_endings_byte_order_marks_and_blank_lines_change_nothing(read, ending: str, mark: bytes) -> None:
    text = ("\n" + HEADER + "\n" + row("1") + row("2") + "\n" + row("3")).replace("\n", ending)
    assert ids(read("items.csv", mark + text.encode())) == ["1", "2", "3"]


def test_a_last_line_needs_no_ending(read) -> None:
    assert ids(read("items.csv", (HEADER + row("1")).rstrip())) == ["1"]


def test_quoted_cells_may_hold_delimiters_quotes_and_line_breaks(read) -> None:
    rows = read("items.csv", HEADER + row("1", '"Lamp, ""red""\nand\nblue"') + row("2", 'a 12" pan'))
    assert [item.title for item in rows] == ['Lamp, "red"\nand\nblue', 'a 12" pan']


def test_rows_after_a_quoted_line_break_are_reported_by_their_true_line(read) -> None:
    rows = read("items.csv", HEADER + row("1", '"a\nb\n\nc"') + row("2,oops") + row("3"))
    assert faults(rows) == [(6, RowReason.ROW_MALFORMED)]
    assert ids(rows) == ["1", "3"]


@pytest.mark.parametrize(
    "title",
    [
        '"never closed',
        '"closed" too early',
        '"closed" too early"',
        'a,"b',  # one cell too many, if only the quote were closed
    ],
)
def test_a_quote_that_does_not_match_costs_its_own_line_only(read, title: str) -> None:
    rows = read("items.csv", HEADER + row("1") + row("2", title) + row("3") + row("4", '"fine"') + row("5"))
    assert faults(rows) == [(3, RowReason.ROW_MALFORMED)]
    assert ids(rows) == ["1", "3", "4", "5"]


def test_an_unclosed_quote_costs_one_line_in_a_file_of_thousands(read) -> None:
    rows = read("items.csv", HEADER + row("0", '"open') + "".join(row(str(n)) for n in range(1, 3001)))
    assert faults(rows) == [(2, RowReason.ROW_MALFORMED)]
    assert len(ids(rows)) == 3000


def test_files_without_quoting_keep_their_quotes(read) -> None:
    settings = ImportSettings(quoted=False)
    rows = read("items.tsv", (HEADER + row("1", '"Vintage" lamp')).replace(",", "\t"), settings)
    assert [item.title for item in rows] == ['"Vintage" lamp']


@pytest.mark.parametrize("cells", ["1,t,A,5", "1,t,A,5,USD,", "1"])
def test_a_row_with_cells_missing_or_left_over_is_reported(read, cells: str) -> None:
    rows = read("items.csv", HEADER + cells + "\n" + row("2"))
    assert faults(rows) == [(2, RowReason.ROW_MALFORMED)]
    assert ids(rows) == ["2"]


@pytest.mark.parametrize("name", ["items.csv", "items.jsonl"])
def test_a_line_that_is_not_utf8_is_reported_with_the_byte(read, name: str) -> None:
    good = {"items.csv": row("1"), "items.jsonl": '{"id":"1","category_path":"A","price":5,"currency":"USD"}\n'}[name]
    bad = good.replace("1", "2").encode().rstrip() + "鞄".encode("shift_jis") + b"\n"
    header = HEADER.encode() if name.endswith("csv") else b""
    rows = read(name, header + good.encode() + bad + good.replace("1", "3").encode())
    error = next(row for row in rows if isinstance(row, RowError))
    assert error.reason is RowReason.NOT_UTF8
    assert error.line == (3 if name.endswith("csv") else 2)
    assert f"byte {len(bad) - 2} " in error.message
    assert ids(rows) == ["1", "3"]


def test_an_endless_line_is_skipped_without_being_held(read) -> None:
    rows = read("items.csv", HEADER + row("1", "x" * (3 * MAX_LINE_BYTES)) + row("2"))
    assert faults(rows) == [(2, RowReason.LINE_TOO_LONG)]
    assert ids(rows) == ["2"]


def test_other_delimiters_and_endings_can_be_named(read) -> None:
    settings = ImportSettings(table_format=TableFormat.CSV, delimiter=";")
    assert ids(read("items.txt", (HEADER + row("1")).replace(",", ";"), settings)) == ["1"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("items.csv", b"", "is empty"),
        ("items.csv", b"\xef\xbb\xbf\n\n", "is empty"),
        ("items.jsonl", b"\n \n", "is empty"),
        ("items.csv", "id,タイトル\n".encode("utf-16"), "is UTF-16"),
        ("items.csv", "id,タイトル\n".encode("shift_jis"), "line 1: byte 4"),
        ("items.csv", b"id,title\r1,t\r", "carriage return"),
        ("items.csv", b'"id,title\n', "quotes do not match"),
        ("items.csv", b"id,title,price\n", "no column 'category_path', 'currency'"),
        ("items.csv", b"id;title;category_path;price;currency\n", "'id;title;category_path;price;currency'"),
        ("items.csv", b"id,title,category_path,price,price,currency\n", "'price' stands in the header twice"),
        ("items.csv", b"\xff" * (2 * MAX_LINE_BYTES), "longer than"),
        ("items.xlsx", b"PK", "known endings are .tsv, .csv"),
        ("items.csv.gz", b"", "unpack a compressed table"),
    ],
)
def test_a_table_that_cannot_be_read_at_all_says_what_to_do(read, name: str, content: bytes, says: str) -> None:
    with pytest.raises(TableError) as caught:
        read(name, content)
    assert says in str(caught.value)
    assert name in str(caught.value)


def test_an_absent_table_says_so(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="there is no file"):
        open_catalogue(tmp_path / "absent.csv")


def test_a_header_alone_is_an_empty_catalogue(read) -> None:
    assert read("items.csv", HEADER) == []


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '"text"',
        "5",
        "null",
        '{"id": 1} trailing',
        "[" * 5000,
        '{"id":"1","price":1e99999999999999999999}',
        '{"price":' + "9" * 5000 + "}",
    ],
)
def test_a_line_that_is_no_json_object_is_reported(read, line: str) -> None:
    good = '{"id":"g","category_path":["A"],"price":5,"currency":"USD"}'
    rows = read("items.jsonl", f"{line}\n{good}\n")
    assert faults(rows) == [(1, RowReason.ROW_MALFORMED)]
    assert ids(rows) == ["g"]


def test_text_from_json_that_is_no_unicode_is_reported(read) -> None:
    rows = read("items.jsonl", '{"id":"1","title":"\\ud83d","category_path":"A","price":5,"currency":"USD"}')
    assert [(row.reason, row.field, row.item_id) for row in rows] == [(RowReason.VALUE_MALFORMED, "title", "1")]


@pytest.mark.parametrize(("name", "content"), [("items.csv", HEADER + row("1") + row("2")), ("items.jsonl", "{}\n{}")])
def test_the_number_of_rows_is_known_beforehand(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with open_catalogue(tmp_path / name) as catalogue:
        assert catalogue.rows_hint == 2


@settings(max_examples=200, deadline=None)
@given(
    damage=st.lists(
        st.tuples(
            st.integers(0, 400),
            st.integers(0, 4),
            st.binary(max_size=3)
            | st.sampled_from([b'"', b"\n", b"\r", b"\\ud800", b"1e999999999", b"NaN", b"[", b"{"]),
        ),
        min_size=1,
        max_size=6,
    ),
    name=st.sampled_from(["items.csv", "items.jsonl"]),
)
def test_no_damage_to_a_text_table_escapes_as_another_exception(
    tmp_path_factory: pytest.TempPathFactory, damage: list[tuple[int, int, bytes]], name: str
) -> None:
    content = bytearray(
        (HEADER + row("1", '"a ""b""\nc"') + row("2") * 3).encode()
        if name == "items.csv"
        else b'{"id":"1","title":"\\u9784","category_path":["A"],"price":5.2,"currency":"USD"}\n' * 4
    )
    for place, length, replacement in damage:
        content[place : place + length] = replacement
    table = tmp_path_factory.getbasetemp() / name
    table.write_bytes(content)
    try:
        with open_catalogue(table) as catalogue:
            rows = list(catalogue)
    except TableError:
        return
    lines = [row.line for row in rows if isinstance(row, RowError)]
    assert lines == sorted(lines)
    assert all(1 <= line <= content.count(b"\n") + 1 for line in lines)
