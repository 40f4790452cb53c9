"""Studies, item tables and slices: what is read, and what is refused before any work is done."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruiji_evaluation.catalogue import Columns, Item, read_items
from ruiji_evaluation.encoders import ArtefactSource, OnnxSource, PixelsSource, parse_spec
from ruiji_evaluation.errors import ItemTableError, StudyError
from ruiji_evaluation.slices import OTHERS, UNKNOWN, SliceSettings, slicings
from ruiji_evaluation.study import load_study

SHIPPED = Path(__file__).parents[2] / "evaluation" / "studies"


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_the_shipped_studies_can_be_read(path):
    study = load_study(path)
    assert study.baseline in {spec.name for spec in study.encoders}
    assert study.relevance


def test_a_study_says_everything(shop):
    study = shop.study()
    assert study.items == shop.folder / "items.tsv"
    assert [spec.source for spec in study.encoders] == [
        PixelsSource(4),
        ArtefactSource(shop.folder / "encoder"),
        ArtefactSource(shop.folder / "encoder"),
    ]
    assert [spec.pca for spec in study.encoders] == [None, None, 4]
    assert [str(level) for level in study.relevance] == ["1: kind", "3: colour"]
    assert study.slices.as_of == datetime(2026, 3, 1, tzinfo=UTC)
    assert study.resampling.resamples == 300


def test_encoders_can_be_added_replaced_and_chosen(shop, tmp_path):
    study = shop.study(added=[parse_spec("tiny=pixels:2"), parse_spec("big=pixels:32")], only=["tiny"])
    assert [(spec.name, spec.source) for spec in study.encoders] == [
        ("pixels 4", PixelsSource(4)),
        ("tiny", PixelsSource(2)),
    ]
    assert load_study(shop.study_file, baseline="tiny").baseline == "tiny"
    assert load_study(shop.study_file, root=tmp_path).items == tmp_path / "items.tsv"


MINIMAL = """
baseline = "a"
[catalogue]
items = "items.tsv"
pictures = "images"
[encoders.a]
pixels = 2
"""


def test_a_model_declares_its_preprocessing(tmp_path):
    declared = (
        '[encoders.b]\nonnx = "m.onnx"\nsize_px = 96\nmean = [0, 0, 0]\ndeviation = [1, 1, 1]\nchannels_last = true'
    )
    (tmp_path / "s.toml").write_text(MINIMAL + declared)
    [_, spec] = load_study(tmp_path / "s.toml").encoders
    assert spec.source == OnnxSource(tmp_path / "m.onnx", 96, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), channels_last=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = ", "is no TOML"),
        ("mesures = []\n" + MINIMAL, "unknown keys: mesures"),
        (MINIMAL + "pca = 'many'", "pca must be a whole number, not 'many'"),
        (MINIMAL + "pca = 1", "pca must be at least 2"),
        (MINIMAL + "onnx = 'm'", "needs one of artefact, onnx, hub, pixels and same_as"),
        (MINIMAL + "[encoders.b]\nsame_as = 'c'", "names 'c', which is not above it"),
        (MINIMAL + "[split]\ntest_share = 2", "test_share must lie between 0 and 1, not 2"),
        (MINIMAL + "[split]\nshare = 1", r"\[split\] has unknown keys: share"),
        (MINIMAL + "[slices]\nprice_edges = [2, 1]", "price_edges must rise"),
        (MINIMAL + "[slices]\nas_of = 'today'", "as_of must be a date"),
        (MINIMAL + "[[relevance]]\nall = ['a']", r"\[\[relevance\]\] 1: gain is missing"),
        (MINIMAL.replace('"a"\n', '"b"\n'), "has no encoder b; there are a"),
        (MINIMAL.replace("items =", "table ="), "items is missing"),
        (MINIMAL.replace('pictures = "images"', "pictures = []"), "pictures is missing"),
        ("split = 1\n" + MINIMAL, "split must be a table"),
    ],
)
def test_a_study_with_a_mistake_is_refused_with_its_key(tmp_path, text, message):
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(StudyError, match=message):
        load_study(tmp_path / "s.toml")


ROWS = [
    {"id": "a", "title": "Red, round", "category_path": "A > B", "price": "12.5", "image": "a.jpg"},
    {"id": "b", "title": "青い靴", "category_path": "A", "price": "", "image": "b.jpg"},
    {"id": "a", "title": "Again", "category_path": "A", "price": "1", "image": "c.jpg"},
    {"id": "", "title": "Nobody", "category_path": "A", "price": "1", "image": "d.jpg"},
]


def write(path: Path) -> Path:
    names = list(ROWS[0])
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS), encoding="utf-8")
    else:
        quote, between = ('"', ",") if path.suffix == ".csv" else ("", "\t")
        lines = [names, *([row[name] for name in names] for row in ROWS)]
        path.write_text(
            "\n".join(between.join(f"{quote}{cell}{quote}" for cell in line) for line in lines) + "\n", encoding="utf-8"
        )
    return path


@pytest.mark.parametrize("name", ["items.tsv", "items.csv", "items.jsonl", "items.parquet"])
def test_item_tables_of_every_form_say_the_same(tmp_path, name):
    table = read_items(write(tmp_path / name), Columns())
    assert [(item.item_id, item.title, item.category, item.price, item.picture) for item in table.items] == [
        ("a", "Red, round", ("A", "B"), 12.5, "a.jpg"),
        ("b", "青い靴", ("A",), None, "b.jpg"),
    ]
    assert table.left_out == {"the id was there before": 1, "the id is empty": 1}


def test_a_category_can_be_spread_over_columns_and_a_name_be_made(tmp_path):
    columns = Columns(category=("category_path", "title"), picture="{id}-{image}", min_price=13)
    table = read_items(write(tmp_path / "items.tsv"), columns)
    assert [(item.category, item.picture) for item in table.items] == [(("A", "青い靴"), "b-b.jpg")]
    assert table.left_out["the price is below 13"] == 2


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.tsv", None, "does not exist"),
        ("items.xls", "x", "unknown form"),
        ("items.tsv", "id\ttitle\na\tb\n", "lacks the columns category_path, price, image"),
        ("items.tsv", "id\ttitle\tcategory_path\tprice\timage\n", "no row that can be used: it is empty"),
        ("items.jsonl", "{", "cannot be read as jsonl"),
        ("items.parquet", "x", "cannot be read as parquet"),
    ],
)
def test_an_item_table_that_cannot_be_used_is_refused(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(ItemTableError, match=message):
        read_items(tmp_path / name, Columns())


def item(category: tuple[str, ...] = (), price: float | None = None, listed: datetime | None = None) -> Item:
    return Item("x", "", category, price, listed, "", {})


def sizes(slicing) -> dict[str, int]:
    return {label: int((slicing.member == number).sum()) for number, label in enumerate(slicing.labels)}


def test_small_categories_are_joined_and_prices_fall_into_bands():
    items = [item(("A", "x"), 10.0)] * 5 + [item(("B",), 20.0)] * 4 + [item(("C",), 5.0)] + [item((), None)]
    category, price = slicings(items, SliceSettings(price_edges=(10, 20), min_queries=2))
    assert sizes(category) == {"A": 5, "B": 4, OTHERS: 2}
    assert sizes(price) == {"10 to 20": 5, "20 and more": 4}
    assert (price.member == -1).sum() == 2, "bands too small for figures are left out"


def test_prices_without_edges_fall_into_quartiles():
    [price] = slicings([item(price=float(row)) for row in range(100)], SliceSettings(min_queries=2))
    assert list(sizes(price).values()) == [25, 25, 25, 25]


def test_ages_are_taken_when_the_request_was_made():
    listed = datetime(2026, 1, 1, tzinfo=UTC)
    items = [item(listed=listed)] * 4 + [item()] * 2
    times = [datetime(2026, 1, 2, tzinfo=UTC)] * 2 + [datetime(2026, 3, 1, tzinfo=UTC)] * 2 + [listed] * 2
    [age] = slicings(items, SliceSettings(min_queries=2, age_edges_days=(7, 30)), times)
    assert sizes(age) == {"below 7": 2, "30 and more": 2, UNKNOWN: 2}
    assert slicings(items, SliceSettings(min_queries=2)) == (), "without a time there is no age"
