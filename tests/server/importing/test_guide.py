"""The examples of docs/import.md, run as they stand there."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from ruiji_server.importing import PriceNotation, RowReason
from ruiji_server.importing.errors import RowFault
from ruiji_server.importing.prices import to_minor_units

from tests.support.catalogues import png

GUIDE = (Path(__file__).parents[3] / "docs" / "import.md").read_text(encoding="utf-8")
TABLES = re.findall(r"```tsv\n(.*?)```", GUIDE, re.DOTALL)
PROGRAMS = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


def run(table: str, program: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    Path("items.tsv").write_text(table, encoding="utf-8")
    exec(compile(program, "docs/import.md", "exec"), {})  # noqa: S102  (our own text)
    return capsys.readouterr().out.splitlines()


def test_the_short_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pictures/lamps").mkdir(parents=True)
    Path("pictures/bag-1.jpg").write_bytes(png())
    Path("pictures/lamps/2.jpg").write_bytes(png())
    assert run(TABLES[0], PROGRAMS[0], capsys) == [
        "bag-1 Price(amount_minor=12800, currency='JPY') ('Fashion', 'Bags')",
        "lamp-2 Price(amount_minor=5250, currency='USD') ('Home', 'Lamps', 'Desk')",
    ]


def test_a_mapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    for name, picture in (("images_hi.zip", "1164.jpg"), ("images_lo.zip", "1163.jpg")):
        with zipfile.ZipFile(name, "w") as archive:
            archive.writestr(picture, png())
    first, second = run(TABLES[1], PROGRAMS[1], capsys)
    assert first.startswith("1163 Item(")
    assert "category_path=('Apparel', 'Topwear', 'Tshirts')" in first
    assert second.startswith("1164 Item(")
    assert "category_path=('Accessories', 'Scarves')" in second


def test_the_table_of_prices() -> None:
    notations = [
        PriceNotation(),
        PriceNotation(thousands_mark=","),
        PriceNotation(decimal_mark=",", thousands_mark="."),
    ]
    rows = re.findall(r"^\| (`[^|]*[0-9]`[^|]*) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", GUIDE, re.MULTILINE)
    assert len(rows) == 8
    for written, *results in rows:
        for text in re.findall("`([^`]+)`", written):
            for notation, result in zip(notations, results, strict=True):
                if result.startswith("refused"):
                    with pytest.raises(RowFault) as caught:
                        to_minor_units(text, "USD", notation)
                    assert caught.value.reason is RowReason.PRICE_MALFORMED
                else:
                    assert to_minor_units(text, "USD", notation) == to_minor_units(result, "USD", notations[0])


def test_every_reason_of_files_is_explained() -> None:
    assert all(f"| `{reason}` |" in GUIDE for reason in RowReason)
