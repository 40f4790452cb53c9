"""A catalogue folder becomes pictures with captions; what is broken in it is named and left out."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from ruiji_encoder.catalogue import FolderCatalogue, read_items
from ruiji_encoder.errors import CatalogueError
from ruiji_encoding.pictures import decode_picture

HEADER = "id\ttitle\tcategory_path\tprice\tcurrency\timage\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for name, colour in (("a.png", "red"), ("b.png", "blue")):
        Image.new("RGB", (30, 20), colour).save(tmp_path / "images" / name)
    write(tmp_path, "1\tRed box\tA > B > C\t10\tJPY\ta.png\n", '2\tBlue "12in" ball\tA > B > D\t20\tJPY\tb.png\n')
    return tmp_path


def write(folder: Path, *lines: str, header: str = HEADER) -> None:
    (folder / "items.tsv").write_text(header + "".join(lines), encoding="utf-8")


def test_pictures_are_those_that_serving_decodes(folder: Path) -> None:
    data = FolderCatalogue(folder, cache=folder / "cache")
    expected = np.stack([decode_picture((folder / "images" / name).read_bytes()) for name in ("b.png", "a.png")])
    np.testing.assert_array_equal(data.pictures(np.array([1, 0])), expected)


def test_pictures_may_be_named_from_either_folder(folder: Path) -> None:
    write(folder, "1\tRed\tA\t1\tJPY\ta.png\n", "2\tRed\tA\t1\tJPY\timages/a.png\n")
    data = FolderCatalogue(folder, cache=folder / "cache")
    assert len({item.image for item in data.items}) == 1


def test_captions_are_the_leaf_of_the_category_and_the_title(folder: Path) -> None:
    data = FolderCatalogue(folder, cache=folder / "cache")
    assert [item.item_id for item in data.items] == ["1", "2"]
    assert data.items[1].category == ("A", "B", "D")
    assert list(data.captions(1)) == ["D", 'Blue "12in" ball']


def test_japanese_titles_are_further_captions(folder: Path) -> None:
    header = HEADER.rstrip("\n") + "\ttitle_ja\n"
    write(folder, "1\tRed box\tA\t1\tJPY\ta.png\t赤い箱\n", "2\tBlue box\tA\t1\tJPY\tb.png\t\n", header=header)
    data = FolderCatalogue(folder, cache=folder / "cache")
    assert [tuple(data.captions(row)) for row in range(2)] == [("A", "Red box", "赤い箱"), ("A", "Blue box")]


def test_broken_items_are_left_out_and_named_by_line(folder: Path) -> None:
    (folder / "images" / "torn.png").write_bytes((folder / "images" / "a.png").read_bytes()[:40])
    write(
        folder,
        "1\t\tA\t1\tJPY\ta.png\n",
        "2\tTorn\tA\t1\tJPY\ttorn.png\n",
        "3\tGone\tA\t1\tJPY\tgone.png\n",
        "4\tSecret\tA\t1\tJPY\t../items.tsv\n",
        "5\tShort\n",
        "6\tGood\tA\t1\tJPY\tb.png\n",
    )
    data = FolderCatalogue(folder, cache=folder / "cache")
    assert [item.item_id for item in data.items] == ["6"]
    assert data.pictures(np.array([0]))[0, 0, 0].tolist() == [0, 0, 255]
    assert [(fault.line, fault.reason) for fault in data.faults] == [
        (2, "title is empty"),
        (3, "torn.png is missing or no complete picture"),
        (4, "gone.png is missing or no complete picture"),
        (5, "image ../items.tsv lies outside images/"),
        (6, "category_path, image is empty"),
    ]


def test_pictures_are_decoded_once(folder: Path) -> None:
    FolderCatalogue(folder, cache=folder / "cache")
    before = {path: path.stat().st_mtime_ns for path in (folder / "cache").iterdir()}
    FolderCatalogue(folder, cache=folder / "cache")
    assert {path: path.stat().st_mtime_ns for path in (folder / "cache").iterdir()} == before


def test_a_changed_picture_is_decoded_again(folder: Path) -> None:
    FolderCatalogue(folder, cache=folder / "cache")
    Image.new("RGB", (30, 20), "lime").save(folder / "images" / "a.png")
    os.utime(folder / "images" / "a.png", ns=(1, 1))
    data = FolderCatalogue(folder, cache=folder / "cache")
    assert data.pictures(np.array([0]))[0, 0, 0].tolist() == [0, 255, 0]


def test_progress_counts_every_picture_also_from_the_cache(folder: Path) -> None:
    for _ in range(2):
        done: list[int] = []
        FolderCatalogue(folder, cache=folder / "cache", progress=done.append)
        assert sum(done) == 2


def test_catalogues_that_cannot_be_read_are_refused(folder: Path) -> None:
    write(folder, header="id\ttitle\n")
    with pytest.raises(CatalogueError, match="lacks the columns category_path, image"):
        read_items(folder)
    write(folder)
    with pytest.raises(CatalogueError, match="it is empty"):
        FolderCatalogue(folder, cache=folder / "cache")
    (folder / "items.tsv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CatalogueError, match="not UTF-8"):
        read_items(folder)
    (folder / "items.tsv").unlink()
    with pytest.raises(CatalogueError, match="is missing"):
        read_items(folder)
