"""The catalogue on disk."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from ruiji_demo.catalogue import render_catalogue, render_item

HEADER = ["id", "title", "title_ja", "category_path", "price", "currency", "state", "image"]
HEADER += ["colour", "pattern", "style"]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        assert reader.fieldnames == HEADER
        return list(reader)


def test_rows_say_what_the_items_are(tmp_path: Path) -> None:
    table = render_catalogue(tmp_path, items=30, seed=4)
    for index, row in enumerate(rows(table)):
        item = render_item(4, index)
        assert row["id"] == item.item_id
        assert row["title"] == item.title_en
        assert row["title_ja"] == item.title_ja
        assert tuple(row["category_path"].split(" > ")) == item.category_path
        assert int(row["price"]) == item.price_minor
        assert row["currency"] == "JPY"
        assert row["state"] == ("sold" if item.sold else "on_sale")
        assert (tmp_path / row["image"]).read_bytes() == item.picture
    assert index == 29


def test_the_number_of_processes_changes_nothing(tmp_path: Path) -> None:
    for processes in (1, 2):
        render_catalogue(tmp_path / str(processes), items=40, seed=9, processes=processes)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    assert len(contents(tmp_path / "1")) == 41


def test_a_larger_catalogue_starts_with_the_smaller_one(tmp_path: Path) -> None:
    small = render_catalogue(tmp_path / "small", items=5, seed=1).read_bytes()
    large = render_catalogue(tmp_path / "large", items=8, seed=1).read_bytes()
    assert large.startswith(small)


def test_rendering_again_replaces_the_catalogue(tmp_path: Path) -> None:
    render_catalogue(tmp_path, items=3, seed=1)
    assert len(rows(render_catalogue(tmp_path, items=2, seed=2))) == 2


def test_progress_adds_up_to_the_number_of_items(tmp_path: Path) -> None:
    advances: list[int] = []
    render_catalogue(tmp_path, items=7, seed=1, progress=advances.append)
    assert sum(advances) == 7


def test_an_empty_catalogue_is_a_header(tmp_path: Path) -> None:
    assert rows(render_catalogue(tmp_path, items=0, seed=1)) == []


def test_an_interrupted_rendering_leaves_no_table(tmp_path: Path) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_catalogue(tmp_path, items=3, seed=1, progress=stop)
    assert not (tmp_path / "items.tsv").exists()


@pytest.mark.parametrize(("items", "seed", "processes"), [(-1, 0, None), (1, -1, None), (1, 0, 0)])
def test_senseless_numbers_are_refused(tmp_path: Path, items: int, seed: int, processes: int | None) -> None:
    with pytest.raises(ValueError, match="cannot render"):
        render_catalogue(tmp_path / "new", items, seed, processes=processes)
    assert not (tmp_path / "new").exists()
