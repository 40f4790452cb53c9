"""The console in a real browser, as somebody uses it who wants to know what is recommended, and why."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Page, expect

from tests.console.conftest import OpenPage
from tests.support.catalogues import png
from tests.support.pictured_process import COLOURS, HOSTILE_ID, HOSTILE_TITLE, RENDERED, SHAPES

ITEM = "demo-000002"
DROP = """
([bytes, type]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(bytes)], "it", { type }));
  document.body.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: transfer }));
}
"""


def titles(page: Page) -> list[str]:
    return page.locator("#results .hit h3").all_inner_texts()


def drag(page: Page, name: str, value: float) -> None:
    """Move a slider."""
    page.get_by_role("slider", name=name).fill(f"{value:g}")


def test_an_item_is_found_by_words_of_its_title_and_leads_to_its_page(open_page: OpenPage) -> None:
    page = open_page("/")
    title = page.locator(".card h3").first.inner_text()
    page.get_by_role("searchbox").fill(" ".join(title.split()[:2]))
    page.get_by_role("button", name="Find").click()
    expect(page.locator("#found")).to_contain_text("found")
    page.get_by_role("link", name=title).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    expect(page.locator("#results .hit").first).to_be_visible()


def test_an_item_is_found_by_its_id_and_by_the_beginning_of_it(open_page: OpenPage) -> None:
    page = open_page(f"/?q={ITEM}")
    expect(page.locator(".card")).to_have_count(1)
    page = open_page("/?q=demo-00001")
    expect(page.locator(".card")).to_have_count(10)


def test_a_search_goes_on_page_by_page(open_page: OpenPage) -> None:
    page = open_page("/")
    seen: set[str] = set()
    while True:
        seen |= set(page.locator(".card .id").all_inner_texts())
        more = page.get_by_role("button", name="More")
        if not more.count():
            break
        more.click()
    assert len(seen) == RENDERED + 4


def test_nothing_found_is_said(open_page: OpenPage) -> None:
    expect(open_page("/?q=nosuchword").locator(".empty")).to_contain_text("Nothing has these words")


def test_a_card_shows_picture_price_category_and_scores(open_page: OpenPage) -> None:
    page = open_page(f"/similar?item={ITEM}&size=12")
    card = page.locator(".hit").first
    expect(card.locator(".price")).to_have_text(re.compile(r"^[\d,]+ JPY$"))
    expect(card.locator(".path")).to_contain_text("›")
    expect(card.locator("dl")).to_contain_text(re.compile(r"cosine\s*[\d.]+\s*category\s*[\d.]+\s*price\s*×[\d.]+"))
    card.locator("img").scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('.hit img').naturalWidth > 0")
    assert page.evaluate("document.querySelector('.hit img').naturalWidth") <= 360


def test_moving_the_price_band_changes_the_page_without_loading_it(open_page: OpenPage) -> None:
    page = open_page(f"/similar?item={ITEM}&size=12")
    page.evaluate("window.stillHere = true")
    before = titles(page)
    drag(page, "Price band", 1.1)
    expect(page.locator("output").first).to_have_text("×1.10")
    expect(page.locator(".hit dl").last).not_to_contain_text("×2")
    page.wait_for_url(re.compile("ratio=1.1"))
    assert titles(page) != before
    for text in page.locator(".hit dl div:last-child dd").all_inner_texts():
        assert float(text.removeprefix("×")) <= 1.1
    page.get_by_role("checkbox", name="any price").check()
    page.wait_for_url(re.compile("no_band=1"))
    assert page.evaluate("window.stillHere")


def test_the_category_weight_moves_scores(open_page: OpenPage) -> None:
    page = open_page(f"/similar?item={ITEM}&size=12")
    drag(page, "Category weight", 1)
    page.wait_for_url(re.compile("weight=1"))
    expect(page.locator(".hit .score").first).to_have_text(re.compile(r"score\s*1.00"))


def test_an_address_with_a_policy_shows_that_policy(open_page: OpenPage) -> None:
    page = open_page(f"/similar?item={ITEM}&ratio=1.3&weight=0.55&size=12")
    expect(page.get_by_role("slider", name="Price band")).to_have_value("1.3")
    expect(page.get_by_role("slider", name="Category weight")).to_have_value("0.55")
    assert page.locator(".hit").count() <= 12


def test_near_items_that_are_not_on_the_page_have_a_stage_and_a_reason(open_page: OpenPage) -> None:
    page = open_page(f"/similar?item={ITEM}&ratio=1.1&size=12")
    rows = page.locator(".dropped tbody tr")
    assert rows.count() > 10
    stages = set(page.locator(".dropped .stage").all_inner_texts())
    assert "price band" in stages
    assert page.locator(".because").filter(has_text=re.compile("too dear|too cheap")).count()


def test_somebody_asks_why_an_item_is_missing(open_page: OpenPage) -> None:
    page = open_page(f"/similar?item={ITEM}&size=12")
    for item_id, answer in ((ITEM, "is the query itself"), ("nobody", "not indexed"), ("waiting-1", "not indexed")):
        page.get_by_label("Why not this item?").fill(item_id)
        page.get_by_role("button", name="Explain").click()
        expect(page.locator(".answer")).to_contain_text(answer)
    first = page.locator(".hit a").first.get_attribute("href")
    assert first
    page.get_by_label("Why not this item?").fill(first.partition("=")[2])
    page.get_by_role("button", name="Explain").click()
    expect(page.locator(".answer")).to_contain_text("is on this page, at place 1")


def test_two_policies_side_by_side_mark_what_differs(open_page: OpenPage) -> None:
    page = open_page(f"/similar?item={ITEM}&size=12")
    page.get_by_role("link", name="Compare", exact=True).last.click()
    expect(page.locator(".summary")).to_contain_text("100 % in common · 0 up · 0 down · 0 new · 0 gone")
    page.locator("#b_ratio").fill("1.2")
    expect(page.locator(".mark.gone").first).to_be_visible()
    left, right = (set(page.locator(f".sides section:nth-child({n}) .what").all_inner_texts()) for n in (1, 2))
    names = {re.sub(r"^\d+\.\s*", "", text) for text in left}, {re.sub(r"^\d+\.\s*", "", text) for text in right}
    assert page.locator(".mark.gone").count() == len(names[0] - names[1])
    assert page.locator(".mark.new").count() == len(names[1] - names[0])


def test_two_encoders_side_by_side(open_page: OpenPage) -> None:
    page = open_page(f"/compare?item={ITEM}&a_encoder={SHAPES}&b_encoder={COLOURS}")
    expect(page.locator(".summary")).to_contain_text("two encoders")
    expect(page.locator(".sides section").nth(1)).to_contain_text(COLOURS)
    page.get_by_role("link", name="Swap A and B").click()
    expect(page.locator("#a_encoder")).to_have_value(COLOURS)


def test_categories_lead_down_to_items(open_page: OpenPage) -> None:
    page = open_page("/categories")
    expect(page.locator(".tiles")).to_contain_text(f"{RENDERED + 4}")
    page.get_by_role("rowheader").get_by_role("link").first.click()
    expect(page.get_by_role("navigation", name="Category")).to_contain_text("Catalogue")
    page.get_by_role("link", name=re.compile("^Items of")).first.click()
    expect(page.locator(".filter")).to_contain_text("in ")
    assert page.locator(".card").count() > 0


def test_a_running_experiment_leads_to_a_comparison_of_its_variants(open_page: OpenPage) -> None:
    page = open_page("/experiments")
    panel = page.locator(".panel").first
    expect(panel).to_contain_text(re.compile(r"narrow-band.*running.*100 % of layer default", re.DOTALL))
    expect(panel.get_by_role("row", name=re.compile("^narrow")).first).to_contain_text("price band ×1.20")
    expect(panel).to_contain_text("by The pricing team")
    page.get_by_role("link", name="Compare control with narrow").click()
    page.get_by_role("textbox", name="Or give an item id").fill(ITEM)
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#b_variant")).to_have_value("narrow-band/narrow")
    expect(page.locator(".sides section").nth(0)).to_contain_text("band ×2.00")
    expect(page.locator(".sides section").nth(1)).to_contain_text("band ×1.20")
    expect(page.locator(".mark.gone").first).to_be_visible()
    page.locator("#b_variant").select_option("")
    expect(page.locator(".sides section").nth(1)).to_contain_text("band ×2.00")


def test_health_shows_index_and_backlog_of_each_encoder(open_page: OpenPage) -> None:
    page = open_page("/health")
    panels = page.locator(".panel")
    expect(panels).to_have_count(2)
    expect(panels.first).to_contain_text(re.compile(r"shapes.*promoted", re.DOTALL))
    expect(panels.first).to_contain_text(re.compile(r"recall at 20\s*(> )?\d"))
    expect(panels.first).to_contain_text(re.compile(r"PICTURE_UNREADABLE\s*1"))
    expect(panels.first).to_contain_text(re.compile(r"waiting\s*2"))


def test_health_keeps_itself_up_to_date(open_page: OpenPage) -> None:
    page = open_page("/health")
    page.clock.install()
    page.reload()
    area = page.locator("#results")
    page.evaluate("document.querySelector('#results .facts').textContent = 'of old'")
    page.clock.fast_forward(5_000)
    expect(area.locator(".facts")).to_contain_text("As of")


def test_what_strangers_wrote_is_text_and_nothing_else(open_page: OpenPage) -> None:
    page = open_page(f"/similar?item={quote(HOSTILE_ID, safe='')}")
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE_TITLE)
    page = open_page(f"/?q={quote(HOSTILE_TITLE)}")
    expect(page.get_by_role("searchbox")).to_have_value(HOSTILE_TITLE)
    expect(page.locator("img[src=x]")).to_have_count(0)
    page.locator(".cover").first.click()
    expect(page.locator(".query code")).to_have_text(HOSTILE_ID)


def test_a_picture_that_lies_elsewhere_is_not_fetched(open_page: OpenPage) -> None:
    page = open_page("/?q=elsewhere-1")
    expect(page.locator(".nopicture")).to_have_text("picture lies elsewhere")


def test_an_item_that_waits_for_its_embedding_says_so(open_page: OpenPage) -> None:
    complaints: list[str] = []
    page = open_page("/similar?item=waiting-1", complaints=complaints)
    expect(page.get_by_role("alert")).to_contain_text("A worker has yet to embed its picture")
    assert ["409" in complaint for complaint in complaints] == [True]


def test_an_item_that_is_not_there_says_so(open_page: OpenPage) -> None:
    page = open_page("/similar?item=nobody", complaints=[])
    expect(page.get_by_role("heading", level=1)).to_have_text("Not in the catalogue")


def test_without_scripts_every_flow_is_there(open_page: OpenPage) -> None:
    page = open_page(f"/similar?item={ITEM}&size=12", java_script_enabled=False)
    page.get_by_role("combobox", name="Items").select_option("24")
    page.get_by_role("button", name="Apply").click()
    # Without scripts nothing waits for the rest of a page that is still on its way.
    expect(page.locator(".hit").nth(12)).to_be_visible()
    assert "size=24" in page.url


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
