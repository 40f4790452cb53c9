"""Pictures out of folders and archives: all the same, never from outside, and damage costs one row."""

from __future__ import annotations

import asyncio
import io
import os
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from ruiji_encoding.pictures import MAX_PICTURE_BYTES
from ruiji_server.domain.errors import Reason
from ruiji_server.domain.items import Item, PictureContent, PictureUri
from ruiji_server.embedding.picture_source import PictureSource
from ruiji_server.importing import (
    ImportSettings,
    ImportSettingsError,
    PictureCheck,
    PictureSourceError,
    RowError,
    RowReason,
    open_catalogue,
)
from ruiji_server.importing.errors import RowFault
from ruiji_server.importing.pictures.names import safe_name
from ruiji_server.importing.pictures.sources import open_picture_source

from tests.support.catalogues import png

RED, GREEN, BLUE = png((255, 0, 0)), png((0, 255, 0)), png((0, 0, 255))
SIZE_ONLY = ImportSettings(picture_check=PictureCheck.SIZE)
Pack = Callable[[Path, Mapping[str, bytes]], Path]


def pack_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / "folder"


def pack_zip(folder: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(folder / "pictures.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return folder / "pictures.zip"


def pack_tar(folder: Path, files: Mapping[str, bytes], compression: str = "") -> Path:
    path = folder / f"pictures.tar{compression}"
    with tarfile.open(path, f"w:{compression}") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def pack_tar_gz(folder: Path, files: Mapping[str, bytes]) -> Path:
    return pack_tar(folder, files, "gz")


def pack_tar_bz2(folder: Path, files: Mapping[str, bytes]) -> Path:
    return pack_tar(folder, files, "bz2")


def pack_tar_xz(folder: Path, files: Mapping[str, bytes]) -> Path:
    return pack_tar(folder, files, "xz")


ARCHIVES = [pack_zip, pack_tar, pack_tar_gz, pack_tar_bz2, pack_tar_xz]
ALL = [pack_folder, *ARCHIVES]


def table(*images: str) -> str:
    rows = "".join(f'{number},t,A,5,USD,"{image}"\n' for number, image in enumerate(images))
    return "id,title,category_path,price,currency,image\n" + rows


def contents(rows: list[Item | RowError]) -> list[object]:
    """The bytes of each item's picture, or the reason why there is none."""
    return [
        row.reason if isinstance(row, RowError) else row.picture.content
        for row in rows
        if isinstance(row, RowError) or isinstance(row.picture, PictureContent)
    ]


@pytest.mark.parametrize("pack", ALL)
def test_every_source_gives_the_same_pictures_in_any_order(read, tmp_path: Path, pack: Pack) -> None:
    source = pack(tmp_path, {"a.png": RED, "b/c.png": GREEN, "b/d/鞄.png": BLUE})
    rows = read("items.csv", table("b/d/鞄.png", "a.png", "./b/c.png", "a.png", "b\\c.png"), pictures=[source])
    assert contents(rows) == [BLUE, RED, GREEN, RED, GREEN]


@pytest.mark.parametrize("pack", ALL)
def test_a_picture_that_is_not_there_costs_one_row(read, tmp_path: Path, pack: Pack) -> None:
    source = pack(tmp_path, {"a.png": RED, "b/c.png": GREEN})
    rows = read("items.csv", table("x.png", "b", "", "c.png", "a.png", "n" * 300), pictures=[source])
    missing = Reason.PICTURE_MISSING
    assert contents(rows) == [missing, missing, missing, missing, RED, missing]
    assert {row.field for row in rows if isinstance(row, RowError)} == {"image"}


@pytest.mark.parametrize("pack", ARCHIVES)
def test_folders_that_wrap_a_whole_archive_need_not_be_named(read, tmp_path: Path, pack: Pack) -> None:
    finder = {"__MACOSX/dump/images/._1.png": b"x", ".DS_Store": b"x"}
    source = pack(tmp_path, {**finder, "dump/images/1.png": RED, "dump/images/new/2.png": GREEN})
    rows = read("items.csv", table("1.png", "images/1.png", "dump/images/1.png", "new/2.png", "2.png"), None, [source])
    assert contents(rows) == [RED, RED, RED, GREEN, Reason.PICTURE_MISSING]


@pytest.mark.parametrize("pack", ALL)
@pytest.mark.parametrize(("stored", "asked"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_match_however_unicode_composes_them(read, tmp_path: Path, pack: Pack, stored: str, asked: str) -> None:
    source = pack(tmp_path, {unicodedata.normalize(stored, "がま口.png"): RED})
    rows = read("items.csv", table(unicodedata.normalize(asked, "がま口.png")), pictures=[source])
    assert contents(rows) == [RED]


def test_sources_are_searched_in_order(read, tmp_path: Path) -> None:
    sources = [
        pack_zip(tmp_path, {"1.png": RED, "2.png": RED}),
        pack_folder(tmp_path, {"2.png": GREEN, "3.png": GREEN}),
        pack_tar_gz(tmp_path, {"3.png": BLUE, "4.png": BLUE}),
    ]
    images = table("1.png", "2.png", "3.png", "4.png", "5.png")
    assert contents(read("items.csv", images, pictures=sources)) == [RED, RED, GREEN, BLUE, Reason.PICTURE_MISSING]


def test_a_template_makes_names_out_of_columns(read, tmp_path: Path) -> None:
    source = pack_folder(tmp_path, {"hi/1.png": RED, "{hi}/2.png": GREEN})
    text = "id,title,category_path,price,currency,shot.of\n1,t,A,5,USD,hi\n2,t,A,5,USD,{hi}\n3,t,A,5,USD,\n"
    rows = read("items.csv", text, ImportSettings(image_template="{shot.of}/{id}.png"), [source])
    assert contents(rows) == [RED, GREEN, Reason.PICTURE_MISSING]
    assert rows[2].field == "shot.of,id"


@pytest.mark.parametrize(
    "name",
    [
        "../secret.png",
        "a/../../secret.png",
        "..\\secret.png",
        "/etc/passwd",
        "\\server\\secret.png",
        "C:\\secret.png",
        "c:secret.png",
        "a\0.png",
        "https://example.com/a.png",
        "file:///etc/passwd",
        ".",
    ],
)
def test_a_name_cannot_lead_out_of_its_source(name: str) -> None:
    with pytest.raises(RowFault) as caught:
        safe_name(name)
    assert caught.value.reason is RowReason.PICTURE_NAME_INVALID


@pytest.mark.parametrize("pack", ALL)
def test_neither_parent_folders_nor_links_reach_outside(read, tmp_path: Path, pack: Pack) -> None:
    (tmp_path / "secret.png").write_bytes(RED)
    source = pack(tmp_path, {"a.png": GREEN})
    if source.is_dir():
        (source / "link.png").symlink_to(tmp_path / "secret.png")
        (source / "up").symlink_to(tmp_path)
        (source / "loop.png").symlink_to(source / "loop.png")
    rows = read("items.csv", table("../secret.png", "link.png", "up/secret.png", "loop.png", "a.png"), None, [source])
    assert contents(rows)[-1] == GREEN
    assert all(isinstance(row, RowError) for row in rows[:-1])


def test_a_link_inside_the_folder_is_followed(read, tmp_path: Path) -> None:
    source = pack_folder(tmp_path, {"real/a.png": RED})
    (source / "b.png").symlink_to(source / "real" / "a.png")
    assert contents(read("items.csv", table("b.png"), pictures=[source])) == [RED]


@pytest.mark.parametrize("compression", ["", "gz"])
def test_hard_links_in_a_tar_are_the_file_they_name(read, tmp_path: Path, compression: str) -> None:
    source = tmp_path / "links.tar"
    pack_folder(tmp_path, {"a.png": RED})
    os.link(tmp_path / "folder" / "a.png", tmp_path / "folder" / "b.png")
    with tarfile.open(source, f"w:{compression}") as archive:
        archive.add(tmp_path / "folder", ".")
    assert contents(read("items.csv", table("a.png", "b.png"), pictures=[source])) == [RED, RED]


def test_a_tar_with_a_zip_inside_is_a_tar(read, tmp_path: Path) -> None:
    inner = pack_zip(tmp_path, {"inner.png": RED}).read_bytes()
    source = pack_tar(tmp_path, {"a.png": GREEN, "inner.zip": inner})
    assert zipfile.is_zipfile(source)
    assert contents(read("items.csv", table("a.png"), pictures=[source])) == [GREEN]


@pytest.mark.parametrize("pack", ALL)
def test_what_is_no_picture_is_refused_by_its_header(read, tmp_path: Path, pack: Pack) -> None:
    huge = io.BytesIO()
    Image.new("1", (10_000, 5_001)).save(huge, "PNG")
    files = {
        "empty.png": b"",
        "text.png": b"<html>404</html>",
        "large.png": b"\0" * (MAX_PICTURE_BYTES + 1),
        "huge.png": huge.getvalue(),
        "good.png": RED,
    }
    assert contents(read("items.csv", table(*files), pictures=[pack(tmp_path, files)])) == [
        Reason.PICTURE_UNREADABLE,
        Reason.PICTURE_UNREADABLE,
        Reason.PICTURE_TOO_LARGE,
        Reason.PICTURE_TOO_MANY_PIXELS,
        RED,
    ]


def test_the_checks_see_as_much_as_they_promise(read, tmp_path: Path) -> None:
    cut = RED[: len(RED) * 2 // 3]
    source = pack_folder(tmp_path, {"text.png": b"text", "cut.png": cut})
    images = table("text.png", "cut.png")
    unreadable = Reason.PICTURE_UNREADABLE
    found = {
        check: contents(read("items.csv", images, ImportSettings(picture_check=check), [source]))
        for check in PictureCheck
    }
    assert found == {
        PictureCheck.SIZE: [b"text", cut],
        PictureCheck.HEADER: [unreadable, cut],
        PictureCheck.DECODE: [unreadable, unreadable],
    }


@pytest.mark.parametrize("pack", [pack_zip, pack_tar])
def test_a_damaged_picture_in_an_archive_costs_one_row(read, tmp_path: Path, pack: Pack) -> None:
    source = pack(tmp_path, {"a.png": RED, "b.png": GREEN})
    content = bytearray(source.read_bytes())
    # Inside the first picture's data, behind its header and name.
    place = content.index(RED[:8] if pack is pack_tar else b"a.png") + 12
    content[place] ^= 0xFF
    source.write_bytes(content)
    assert contents(read("items.csv", table("a.png", "b.png"), pictures=[source])) == [Reason.PICTURE_UNREADABLE, GREEN]


def test_an_encrypted_picture_is_reported(read, tmp_path: Path) -> None:
    source = pack_zip(tmp_path, {"a.png": RED})
    content = bytearray(source.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    source.write_bytes(content)
    (error,) = read("items.csv", table("a.png"), pictures=[source])
    assert error.reason is Reason.PICTURE_UNREADABLE
    assert "encrypted" in error.message


def test_a_zip_entry_cannot_unpack_to_more_than_it_says(read, tmp_path: Path) -> None:
    bomb = b"\0" * 50_000_000
    source = pack_zip(tmp_path, {"bomb.png": bomb})
    content = source.read_bytes()
    assert len(content) < 100_000
    source.write_bytes(content.replace(len(bomb).to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    assert contents(read("items.csv", table("bomb.png"), SIZE_ONLY, [source])) == [Reason.PICTURE_UNREADABLE]


@pytest.mark.parametrize(
    "content", [b"", b"not an archive", b"PK\x03\x04 cut short", b"\x1f\x8b", b"BZh9", b"\xfd7zXZ\0"]
)
def test_an_archive_that_is_none_is_refused_at_once(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pictures.zip").write_bytes(content)
    with pytest.raises(PictureSourceError, match=r"pictures\.zip"):
        open_picture_source(tmp_path / "pictures.zip")


def test_an_absent_source_is_refused_at_once(read, tmp_path: Path) -> None:
    with pytest.raises(PictureSourceError, match="there is no folder or archive"):
        read("items.csv", table(), pictures=[pack_folder(tmp_path, {"a.png": RED}), tmp_path / "absent"])


@settings(max_examples=150, deadline=None)
@given(
    pack=st.sampled_from(ARCHIVES),
    changes=st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), max_size=8),
    kept=st.floats(0.3, 1.0),
)
def test_no_damage_to_an_archive_escapes_as_another_exception(
    tmp_path_factory: pytest.TempPathFactory, pack: Pack, changes: list[tuple[int, int]], kept: float
) -> None:
    source = pack(tmp_path_factory.getbasetemp(), {"a/1.png": RED, "a/鞄.png": GREEN, "a/" + "n" * 120: BLUE})
    content = bytearray(source.read_bytes())
    for place, value in changes:
        # From the end as well as from the start: there are the headers.
        content[place % len(content) if place % 2 else -1 - (place // 2) % min(300, len(content))] = value
    source.write_bytes(content[: int(len(content) * kept)])
    try:
        opened = open_picture_source(source)
    except PictureSourceError:
        return
    for name in ("a/1.png", "鞄.png", "n" * 120):
        try:
            found = opened.find(name)
        except RowFault:
            continue
        assert found is None or found.content
    opened.close()


def test_pictures_may_stay_where_they_lie(read, tmp_path: Path) -> None:
    source = pack_folder(tmp_path, {"a b/鞄#1.png": RED, "text.png": b"text"})
    settings = ImportSettings(reference_pictures=True)
    item, error = read("items.csv", table("a b/鞄#1.png", "text.png"), settings, [source])
    assert isinstance(item.picture, PictureUri)
    assert item.picture.uri.startswith("file:///")
    assert error.reason is Reason.PICTURE_UNREADABLE
    # The embedding worker reads what the importer wrote.
    assert asyncio.run(PictureSource(source).read(item.picture)) == RED


def test_pictures_in_archives_cannot_be_referenced(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text(table("a.png"))
    sources = [pack_folder(tmp_path, {"a.png": RED}), pack_zip(tmp_path, {"b.png": RED})]
    with pytest.raises(ImportSettingsError, match=r"unpack .*pictures\.zip first"):
        open_catalogue(tmp_path / "items.csv", sources, ImportSettings(reference_pictures=True))


def test_without_sources_items_keep_the_pictures_they_have(read) -> None:
    rows = read("items.csv", "id,title,category_path,price,currency\n1,t,A,5,USD\n")
    assert [row.picture for row in rows] == [None]
