"""The gallery page: whole, safe, readable without seeing it."""

from __future__ import annotations

import base64
import dataclasses
import io
import logging
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from ruiji_demo.catalogue import render_item
from ruiji_demo.gallery import GalleryFacts, GalleryHit, GalleryItem, GalleryRow, render_gallery, write_gallery

FACTS = GalleryFacts(generation_id="gen-0001", encoder_id="enc-0123456789abcdef", items=12168, latency_ms=3.14159)
QUERY = GalleryItem("q-1", "Navy striped shirt", ("Fashion", "Tops", "Shirts"), "¥3,600", render_item(1, 0).picture)
HIT = GalleryHit(
    GalleryItem("h-1", "ネイビー ボーダー シャツ", ("Fashion", "Tops", "Shirts"), "¥4,200", render_item(1, 1).picture),
    score=0.913,
    cosine=0.89,
    price_ratio=1.17,
    category_similarity=1.0,
)


class Page(HTMLParser):
    """Elements, texts and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def page_of(*rows: GalleryRow) -> Page:
    return Page(render_gallery(rows, FACTS))


def test_it_shows_the_query_the_hits_and_why_they_are_there() -> None:
    text = page_of(GalleryRow(QUERY, (HIT,))).text
    for expected in ("Navy striped shirt", "¥3,600", "ネイビー ボーダー シャツ", "¥4,200", "Fashion › Tops › Shirts"):
        assert expected in text
    for expected in ("score 0.91", "cosine 0.89", "price ×1.17", "category 1.00"):
        assert expected in text


def test_it_says_what_answered() -> None:
    text = page_of(GalleryRow(QUERY, (HIT,))).text
    for expected in ("gen-0001", "enc-0123456789abcdef", "12,168", "3.1 ms"):
        assert expected in text


def test_absent_reasons_are_dashes() -> None:
    hit = dataclasses.replace(HIT, price_ratio=None, category_similarity=None)
    assert "price – category –" in page_of(GalleryRow(QUERY, (hit,))).text


def test_an_empty_answer_is_explained() -> None:
    page = page_of(GalleryRow(QUERY, ()))
    assert "no item to recommend here" in page.text
    assert not page.all("ol")


def test_a_sold_query_is_marked() -> None:
    assert "Query sold" in page_of(GalleryRow(dataclasses.replace(QUERY, sold=True), (HIT,))).text


def test_every_picture_has_a_text_and_travels_inside_the_page() -> None:
    images = page_of(GalleryRow(QUERY, (HIT, HIT))).all("img")
    assert [image["alt"] for image in images] == [f"Query item: {QUERY.title}", HIT.item.title, HIT.item.title]
    assert QUERY.picture is not None
    assert base64.b64decode(images[0]["src"].removeprefix("data:image/jpeg;base64,")) == QUERY.picture


def test_nothing_is_fetched_and_nothing_runs() -> None:
    page = page_of(GalleryRow(QUERY, (HIT,)))
    assert not page.all("script")
    assert not page.all("link")
    policy = next(meta["content"] for meta in page.all("meta") if "http-equiv" in meta)
    assert "default-src 'none'" in policy
    assert all(not name.startswith("on") for _, attributes in page.tags for name in attributes)


def test_headings_name_their_sections() -> None:
    page = page_of(GalleryRow(QUERY, (HIT,)), GalleryRow(HIT.item, ()))
    headings = {heading["id"] for heading in page.all("h2")}
    assert [section["aria-labelledby"] for section in page.all("section")] == sorted(headings)


hostile = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "{% raw %}", "</style>", "&amp;"]
)


@given(title=hostile, item_id=hostile, price=hostile, category=hostile, generation=hostile)
def test_strangers_texts_are_shown_and_never_obeyed(
    title: str, item_id: str, price: str, category: str, generation: str
) -> None:
    item = GalleryItem(item_id, title, (category,), price, None)
    page = Page(
        render_gallery(
            [GalleryRow(item, (dataclasses.replace(HIT, item=item),))],
            dataclasses.replace(FACTS, generation_id=generation),
        )
    )
    plain = page_of(
        GalleryRow(
            dataclasses.replace(QUERY, picture=None),
            (dataclasses.replace(HIT, item=dataclasses.replace(QUERY, picture=None)),),
        )
    )
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    for text in (title, item_id, price, category, generation):
        assert any(text.strip() in shown for shown in page.texts)


def test_a_large_picture_becomes_a_thumbnail_that_keeps_its_shape() -> None:
    file = io.BytesIO()
    Image.new("RGBA", (1200, 600), (200, 30, 30, 255)).save(file, "PNG")
    item = dataclasses.replace(QUERY, picture=file.getvalue())
    [image] = page_of(GalleryRow(item, ())).all("img")
    with Image.open(io.BytesIO(base64.b64decode(image["src"].partition(",")[2]))) as shown:
        assert (shown.format, shown.size) == ("JPEG", (360, 180))


@pytest.mark.parametrize("cut", [0, 3, 400])
def test_a_broken_picture_leaves_a_placeholder_and_a_warning(cut: int, caplog: pytest.LogCaptureFixture) -> None:
    assert QUERY.picture is not None
    with caplog.at_level(logging.WARNING):
        page = page_of(GalleryRow(dataclasses.replace(QUERY, picture=QUERY.picture[:cut]), ()))
    assert not page.all("img")
    assert "no picture" in page.text
    assert "q-1" in caplog.text


def test_the_file_is_utf_8_and_its_folder_is_made(tmp_path: Path) -> None:
    path = write_gallery(tmp_path / "new" / "gallery.html", [GalleryRow(QUERY, (HIT,))], FACTS)
    assert "ネイビー" in path.read_text(encoding="utf-8")
