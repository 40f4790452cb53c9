"""A picture as the query: what is taken, and what is said of what is not. The server here has no Triton."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect
from ruiji_console.pictures import thumbnail

from tests.console.conftest import OpenPage
from tests.support.catalogues import png

DROP = """
([bytes, type]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(bytes)], "it", { type }));
  document.body.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: transfer }));
}
"""


def test_a_file_that_is_no_picture_is_refused_on_the_page(open_page: OpenPage, tmp_path: Path) -> None:
    file = tmp_path / "it.jpg"
    file.write_bytes(b"these are words")
    complaints: list[str] = []
    page = open_page("/", complaints=complaints)
    page.get_by_label("Or a picture").set_input_files(file)
    page.get_by_role("button", name="Ask with it").click()
    expect(page.get_by_role("alert")).to_contain_text("This file is no picture that can be read")
    expect(page.locator(".card").first).to_be_visible()
    assert ["422" in complaint for complaint in complaints] == [True]


def test_a_picture_of_too_many_pixels_is_refused(open_page: OpenPage, tmp_path: Path) -> None:
    file = tmp_path / "large.png"
    Image.new("1", (10_000, 6_000)).save(file)
    page = open_page("/", complaints=[])
    page.get_by_label("Or a picture").set_input_files(file)
    page.get_by_role("button", name="Ask with it").click()
    expect(page.get_by_role("alert")).to_contain_text("10000 × 6000 pixels; at most 50 million are taken")


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(open_page: OpenPage, tmp_path: Path) -> None:
    file = tmp_path / "large.bmp"
    file.write_bytes(b"BM" + bytes(21_000_000))
    page = open_page("/")
    page.get_by_label("Or a picture").set_input_files(file)
    expect(page.get_by_role("alert")).to_contain_text("The file has 21.0 MB; at most 20 MB are taken.")


def test_a_dropped_picture_is_sent_at_once_and_a_server_without_triton_says_what_is_missing(
    open_page: OpenPage,
) -> None:
    page = open_page("/", complaints=[])
    page.evaluate(DROP, [list(png()), "image/png"])
    expect(page.get_by_role("alert")).to_contain_text("Queries by picture need Triton")
    assert "/similar?picture=" in page.url


def test_an_upload_that_is_not_held_any_more_is_asked_for_again(open_page: OpenPage) -> None:
    page = open_page("/similar?picture=0123456789abcdef", complaints=[])
    expect(page.get_by_role("alert")).to_contain_text("Upload it again")


def test_a_price_that_is_none_is_named(open_page: OpenPage) -> None:
    page = open_page("/", complaints=[])
    page.evaluate(DROP, [list(png((1, 2, 3))), "image/png"])
    page.wait_for_url("**/similar?picture=*")
    page.goto(page.url + "&price=much&currency=JPY")
    expect(page.get_by_role("alert")).to_contain_text("much JPY cannot be read as an amount")


def test_a_thumbnail_of_an_upload_is_upright() -> None:
    lying = Image.new("RGB", (40, 20))
    exif = lying.getexif()
    exif[0x0112] = 6  # turn it by a quarter
    file = io.BytesIO()
    lying.save(file, "JPEG", exif=exif)
    with Image.open(io.BytesIO(thumbnail(file.getvalue(), 160, max_pixels=10_000))) as small:
        assert (small.width, small.height) == (20, 40)
