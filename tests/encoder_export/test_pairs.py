"""Listings become a prepared set: every loss is counted, and nothing leaks between the sides."""

from __future__ import annotations

import csv
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from ruiji_encoder.errors import PairsError
from ruiji_encoder.pairs.duplicates import Groups, Nearness, fingerprint, join_equal_titles, join_near_pictures
from ruiji_encoder.pairs.pictures import PictureStores
from ruiji_encoder.pairs.preparation import PreparationSettings, prepare_pairs
from ruiji_encoder.pairs.prepared import PreparedPairs, Storage
from ruiji_encoder.pairs.records import PairCounts
from ruiji_encoder.pairs.rules import load_rules
from ruiji_encoder.pairs.shards import Shards
from ruiji_encoder.pairs.splitting import Side, Split
from ruiji_encoder.pairs.tables import Columns, read_table
from ruiji_encoding.pictures import decode_picture

from .conftest import COLOURS, SHAPES, draw

FASHION = Path(__file__).parents[3] / "shared" / "data" / "fashion"
RULES = load_rules()
ROWS = [("1", "Red ball", "1.jpg"), ("2", "Blue box", "2.jpg"), ("3", 'Green "12in" kite', "3.jpg")]


def jpeg(picture: Image.Image, quality: int = 92) -> bytes:
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=quality)
    return content.getvalue()


@pytest.fixture(scope="module")
def photographs() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    kinds = [("ball", "red"), ("box", "blue"), ("kite", "green")]
    return {f"{i}.jpg": jpeg(draw(shape, COLOURS[colour][1], rng)) for i, (shape, colour) in enumerate(kinds, 1)}


def as_tsv(path: Path) -> Path:
    lines = ["id\ttitle\timage", *("\t".join(row) for row in ROWS)]
    path.with_suffix(".tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path.with_suffix(".tsv")


def as_csv(path: Path) -> Path:
    with path.with_suffix(".csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([("id", "title", "image"), *ROWS])
    return path.with_suffix(".csv")


def as_jsonl(path: Path) -> Path:
    records = [dict(zip(("id", "title", "image"), row, strict=True)) for row in ROWS]
    path.with_suffix(".jsonl").write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path.with_suffix(".jsonl")


def as_parquet(path: Path) -> Path:
    columns = list(zip(*ROWS, strict=True))
    pq.write_table(pa.table({"id": columns[0], "title": columns[1], "image": columns[2]}), path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


@pytest.mark.parametrize("written", [as_tsv, as_csv, as_jsonl, as_parquet])
def test_a_table_says_the_same_in_every_format(written: Callable[[Path], Path], tmp_path: Path) -> None:
    pairs = list(read_table(written(tmp_path / "items"), Columns()))
    assert [(pair.pair_id, *pair.titles, pair.picture) for pair in pairs] == ROWS
    named = list(read_table(written(tmp_path / "items"), Columns(titles=("title", "id"), picture="shop/{id}.png")))
    assert named[0].titles == ("Red ball", "1")
    assert named[0].picture == "shop/1.png"


def packed(kind: str, photographs: dict[str, bytes], path: Path) -> Path:
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in photographs.items():
                archive.writestr(name, content)
    elif kind == "tar":
        with tarfile.open(path, "w") as archive:
            add(archive, photographs)
    else:
        path.mkdir()
        for name, content in photographs.items():
            (path / name).write_bytes(content)
    return path


def add(archive: tarfile.TarFile, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_pictures_are_the_same_from_folder_zip_and_tar(
    kind: str, photographs: dict[str, bytes], tmp_path: Path
) -> None:
    with PictureStores([packed(kind, photographs, tmp_path / f"pictures.{kind}")]) as pictures:
        assert {name: pictures.read(name) for name in photographs} == photographs
        assert pictures.read("4.jpg") is None
        assert pictures.read("../secret.jpg") is None


def test_a_name_is_looked_for_in_the_order_of_the_stores(photographs: dict[str, bytes], tmp_path: Path) -> None:
    first = packed("folder", {"1.jpg": photographs["2.jpg"]}, tmp_path / "first")
    with PictureStores([first, packed("zip", photographs, tmp_path / "second.zip")]) as pictures:
        assert pictures.read("1.jpg") == photographs["2.jpg"]
        assert pictures.read("3.jpg") == photographs["3.jpg"]


def test_webdataset_shards_bring_pictures_and_titles(photographs: dict[str, bytes], tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        add(archive, {"x/1.jpg": photographs["1.jpg"], "x/1.txt": b"Red ball"})
        add(
            archive,
            {
                "2.jpg": photographs["2.jpg"],
                "2.json": b'{"id": 77, "title": "Blue box", "title_ja": "\\u7bb1", "kind": "Boxes"}',
            },
        )
    with tarfile.open(tmp_path / "b.tar", "w") as archive:
        add(archive, {"1.cut.png": b"", "2.txt": b"alone", "3.jpg": photographs["3.jpg"], "3.json": b"{"})
    fields = {"title_fields": ("title", "title_ja"), "category_fields": ("kind",)}
    with Shards([tmp_path / "a.tar", tmp_path / "b.tar"], **fields) as shards:
        listings = list(shards.pairs())
        assert [(pair.pair_id, pair.titles, pair.categories) for pair in listings[:2]] == [
            ("a.tar/x/1", ("Red ball",), ()),
            ("77", ("Blue box", "箱"), ("Boxes",)),
        ]
        assert shards.read(listings[1].picture) == photographs["2.jpg"]
        assert [listing.reason for listing in listings[2:]] == [
            "no-picture-named",
            "no-picture-named",
            "malformed-line",
        ]


def prepare(
    table: Path,
    store: Path,
    out: Path,
    settings: PreparationSettings | None = None,
    *,
    columns: Columns | None = None,
    replace: bool = False,
) -> PairCounts:
    with PictureStores([store]) as pictures:
        counts, _ = prepare_pairs(
            read_table(table, columns or Columns()),
            pictures,
            out,
            RULES,
            settings or PreparationSettings(),
            described=table.name,
            replace=replace,
        )
    return counts


def test_every_listing_is_kept_or_counted_by_reason(photographs: dict[str, bytes], tmp_path: Path) -> None:
    table = tmp_path / "items.tsv"
    lines = [
        "id\ttitle\timage",
        "1\tRed ball\t1.jpg",
        "2\tReserved for Anna\t2.jpg",
        "3\tみき様専用\t3.jpg",
        "4\t\t1.jpg",
        "5\tx\t1.jpg",
        "6\tBlue box\tabsent.jpg",
        "7\tBlue box\tbroken.jpg",
        "1\tRed ball again\t1.jpg",
        "\tno id\t1.jpg",
        "8\tno picture\t",
        "9\ta tab\tinside\t1.jpg",
        "10\tiPhone専用ケース\t3.jpg",
    ]
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    store = packed("folder", {**photographs, "broken.jpg": photographs["2.jpg"][:200]}, tmp_path / "pictures")
    counts = prepare(table, store, tmp_path / "set")
    assert counts.kept == 2
    assert dict(counts.dropped) == {
        "reserved-en": 1,
        "reserved-ja": 1,
        "no-title": 1,
        "short-title": 1,
        "picture-missing": 1,
        "picture-broken": 1,
        "repeated-id": 1,
        "no-id": 1,
        "no-picture-named": 1,
        "malformed-line": 1,
    }
    assert counts.read == counts.kept + counts.not_sampled + counts.dropped.total() == 12
    assert counts.examples["reserved-ja"][0].where == "items.tsv:4"
    assert counts.examples["reserved-ja"][0].what == "みき様専用"
    whole = PreparedPairs(tmp_path / "set", None)
    assert whole.ids == ("1", "10")
    assert whole.manifest.counts == counts.as_dict()


@pytest.mark.parametrize("storage", Storage)
def test_prepared_pictures_are_those_that_serving_decodes(
    storage: Storage, photographs: dict[str, bytes], tmp_path: Path
) -> None:
    store = packed("zip", photographs, tmp_path / "pictures.zip")
    prepare(as_tsv(tmp_path / "items"), store, tmp_path / "set", PreparationSettings(storage=storage))
    data = PreparedPairs(tmp_path / "set", None, threads=2)
    expected = np.stack([decode_picture(photographs[name]) for name in ("3.jpg", "1.jpg")])
    np.testing.assert_array_equal(data.pictures(np.array([2, 0])), expected)
    assert data.captions(2) == ('Green "12in" kite',)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """240 listings: 60 drawings, each also compressed hard, and titles of which some repeat."""
    folder = tmp_path_factory.mktemp("crowd")
    rng = np.random.default_rng(3)
    files: dict[str, bytes] = {}
    lines = ["id\ttitle\timage"]
    for row in range(240):
        if row % 4:
            colour, shape = list(COLOURS)[row % 3], list(SHAPES)[row % 2]
            picture = draw(shape, COLOURS[colour][1], rng)
            noise = rng.integers(0, 200, (6, 6, 3), dtype=np.uint8)
            picture.paste(Image.fromarray(noise).resize((90, 90)), (3, 3))
            files[f"{row}.jpg"] = jpeg(picture)
            last = picture
        else:
            # The picture of the listing before it, smaller and worse; the first stands alone.
            last = draw("box", (9, 9, 200), rng) if row == 0 else last
            files[f"{row}.jpg"] = jpeg(last.resize((80, 80)), quality=60)
        lines.append(
            f"{row}\t{'shared' if row % 40 == 0 else 'own'} title {row // 80 if row % 40 == 0 else row}\t{row}.jpg"
        )
    (folder / "items.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "items.tsv", packed("zip", files, folder / "pictures.zip")


def test_equal_titles_and_near_equal_pictures_stay_on_one_side(crowd: tuple[Path, Path], tmp_path: Path) -> None:
    split = Split(validation=0.25, test=0.25)
    prepare(*crowd, tmp_path / "set", PreparationSettings(split=split))
    sides = {side: PreparedPairs(tmp_path / "set", side) for side in Side}
    side_of = {pair_id: side for side, data in sides.items() for pair_id in data.ids}
    assert len(side_of) == 240
    copies = [(row, row - 1) for row in range(4, 240, 4)]
    assert all(side_of[str(a)] == side_of[str(b)] for a, b in copies)
    titles = {side: {data.captions(row) for row in range(len(data))} for side, data in sides.items()}
    assert not titles[Side.TRAIN] & titles[Side.TEST]
    assert not titles[Side.TRAIN] & titles[Side.VALIDATION]
    assert all(len(data) > 20 for data in sides.values()), "groups are small, so no side swallows the others"


def test_a_category_is_learned_beside_the_title_and_joins_nothing(crowd: tuple[Path, Path], tmp_path: Path) -> None:
    table = tmp_path / "items.tsv"
    header, *lines = crowd[0].read_text(encoding="utf-8").splitlines()
    kinds = ["専用", "", *["Boxes"] * (len(lines) - 2)]
    rows = [f"{line}\t{kind}" for line, kind in zip(lines, kinds, strict=True)]
    table.write_text("\n".join([f"{header}\tkind", *rows]) + "\n", encoding="utf-8")
    prepare(crowd[0], crowd[1], tmp_path / "plain")
    prepare(table, crowd[1], tmp_path / "with", columns=Columns(categories=("kind",)))
    plain, with_categories = (PreparedPairs(tmp_path / name, None) for name in ("plain", "with"))
    assert with_categories.manifest.sides == plain.manifest.sides, "one category shared by all is no reason to join"
    assert with_categories.captions(2) == (*plain.captions(2), "Boxes")
    assert with_categories.captions(0) == (*plain.captions(0), "専用"), "rules are about titles"
    assert with_categories.captions(1) == plain.captions(1), "an empty category says nothing"


def test_a_smaller_sample_is_part_of_a_larger_one_and_keeps_its_size_despite_broken_pictures(
    crowd: tuple[Path, Path], tmp_path: Path
) -> None:
    drawn = {}
    for size in (30, 90):
        counts = prepare(*crowd, tmp_path / str(size), PreparationSettings(sample=size))
        assert (counts.kept, counts.not_sampled) == (size, 240 - size)
        drawn[size] = set(PreparedPairs(tmp_path / str(size), None).ids)
    assert drawn[30] < drawn[90]
    other = prepare(*crowd, tmp_path / "other", PreparationSettings(sample=30, split=Split(seed=1)))
    assert other.kept == 30
    assert set(PreparedPairs(tmp_path / "other", None).ids) != drawn[30]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=40))
def test_groups_are_the_connected_components(rows: int, joins: list[tuple[int, int]]) -> None:
    groups = Groups(rows)
    smallest = np.arange(rows)
    for a, b in ((a % rows, b % rows) for a, b in joins):
        groups.join(a, b)
        low, high = sorted((smallest[a], smallest[b]))
        smallest[smallest == high] = low
    np.testing.assert_array_equal(groups.roots(), smallest)


def test_titles_are_equal_whatever_their_case_and_width() -> None:
    groups = Groups(4)
    join_equal_titles(groups, [("Red  Box",), ("red box", "箱"), ("ＲＥＤ ＢＯＸ",), ("blue box",)])
    assert groups.roots().tolist() == [0, 0, 0, 3]


def test_real_photographs_are_found_again_after_shrinking_and_compressing_and_others_are_not_joined() -> None:
    if not FASHION.exists():
        pytest.skip(f"{FASHION} is absent")
    with zipfile.ZipFile(FASHION / "images_hi.zip") as archive:
        originals = [archive.read(name) for name in sorted(archive.namelist())[:4000:40]]
    copies = [jpeg(Image.open(io.BytesIO(one)).convert("RGB").resize((120, 120)), quality=70) for one in originals]
    prints = np.stack([fingerprint(decode_picture(one)) for one in (*originals, *copies)])
    groups = Groups(len(prints))
    join_near_pictures(groups, prints, Nearness())
    roots = groups.roots()
    again = (roots[: len(originals)] == roots[len(originals) :]).mean()
    assert again > 0.97
    assert len(set(roots[: len(originals)].tolist())) > 0.97 * len(originals)


def test_what_cannot_be_read_is_named_with_the_remedy(photographs: dict[str, bytes], tmp_path: Path) -> None:
    table, store = as_tsv(tmp_path / "items"), packed("zip", photographs, tmp_path / "pictures.zip")

    def refused(advice: str, *, at: Path = table, columns: Columns | None = None) -> None:
        with pytest.raises(PairsError, match=advice):
            list(read_table(at, columns or Columns()))

    refused("lacks the columns titel; it has id, title, image", columns=Columns(titles=("titel",)))
    refused("absent.csv is missing", at=tmp_path / "absent.csv")
    refused(r"must end in \.tsv", at=store)
    (tmp_path / "sjis.csv").write_bytes("id,title,image\n1,鞄,1.jpg\n".encode("shift_jis"))
    refused("sjis.csv is not UTF-8", at=tmp_path / "sjis.csv")
    (tmp_path / "torn.parquet").write_bytes(as_parquet(tmp_path / "whole").read_bytes()[:100])
    refused("torn.parquet is no Parquet file", at=tmp_path / "torn.parquet")
    with pytest.raises(PairsError, match="names no column"):
        Columns(picture="photo.jpg")
    (tmp_path / "torn.zip").write_bytes(store.read_bytes()[:300])
    with pytest.raises(PairsError, match=r"torn\.zip is no zip file"):
        PictureStores([tmp_path / "torn.zip"])
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        add(archive, photographs)
    with pytest.raises(PairsError, match="gunzip it"):
        PictureStores([tmp_path / "a.tar.gz"])
    with pytest.raises(PairsError, match="absent is missing"):
        PictureStores([tmp_path / "absent"])


def test_a_prepared_set_is_checked_before_it_is_used(photographs: dict[str, bytes], tmp_path: Path) -> None:
    table, store, out = as_tsv(tmp_path / "items"), packed("zip", photographs, tmp_path / "p.zip"), tmp_path / "set"
    with pytest.raises(PairsError, match=r"no pair of items\.tsv is left: 3 read, dropped: 3 picture-missing"):
        prepare(table, packed("folder", {}, tmp_path / "empty"), out)
    assert not out.exists()
    prepare(table, store, out, PreparationSettings(split=Split(validation=0.0, test=0.0)))
    with pytest.raises(PairsError, match="holds a prepared set already"):
        prepare(table, store, out)
    prepare(table, store, out, PreparationSettings(split=Split(validation=0.0, test=0.0)), replace=True)
    with pytest.raises(PairsError, match=r"the validation side of .* is empty"):
        PreparedPairs(out, Side.VALIDATION)
    with (out / "pictures.bin").open("ab") as file:
        file.write(b"x")
    with pytest.raises(PairsError, match="589,825 bytes instead of 589,824"):
        PreparedPairs(out, None)
    manifest = json.loads((out / "pairs.json").read_text(encoding="utf-8"))
    (out / "pairs.json").write_text(json.dumps({**manifest, "preprocessing": "other"}), encoding="utf-8")
    with pytest.raises(PairsError, match="was decoded by other"):
        PreparedPairs(out, None)
    (out / "pairs.json").write_text("{", encoding="utf-8")
    with pytest.raises(PairsError, match=r"pairs\.json is no description"):
        PreparedPairs(out, None)
    with pytest.raises(PairsError, match="ruiji encoder pairs"):
        PreparedPairs(tmp_path, None)
    with pytest.raises(PairsError, match="leave nothing to train on"):
        Split(validation=0.5, test=0.5)
