"""Everybody can use the console: with a keyboard, a screen reader, a phone, at night."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.console.conftest import OpenPage

ITEM = "demo-000002"
PAGES = {
    "find": "/?q=demo-00000",
    "similar": f"/similar?item={ITEM}&why=demo-000050&size=12",
    "compare": f"/compare?item={ITEM}&b_ratio=1.2&size=12",
    "compare start": "/compare",
    "categories": "/categories?path=Fashion",
    "health": "/health",
    "experiments": "/experiments",
    "problem": "/similar?item=nobody",
}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True,
}  # fmt: skip


def violations(page: Page, **options: object) -> dict[str, list[str]]:
    """Return what axe finds, by rule."""
    found = Axe().run(page, options=options).response["violations"]
    return {violation["id"]: [node["html"] for node in violation["nodes"]] for violation in found}


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_axe_finds_nothing_by_day_nor_at_night_on_a_phone(open_page: OpenPage, path: str) -> None:
    page = open_page(path, complaints=[])
    assert violations(page) == {}
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size(PHONE["viewport"])
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"]
    assert violations(page, runOnly=["color-contrast", "target-size"]) == {}


def test_the_keyboard_alone_is_enough(open_page: OpenPage) -> None:
    page = open_page("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type(ITEM)
    page.keyboard.press("Enter")
    expect(page.locator(".card")).to_have_count(1)
    page.locator(".cover").focus()
    page.keyboard.press("Enter")
    slider = page.get_by_role("slider", name="Price band")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "×2.05")
    page.wait_for_url(lambda url: "ratio=2.05" in url)
    expect(slider).to_be_focused()


def test_what_has_the_focus_is_seen(open_page: OpenPage) -> None:
    page = open_page(f"/similar?item={ITEM}")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_a_phone_shows_two_cards_in_a_row(open_page: OpenPage) -> None:
    page = open_page(f"/similar?item={ITEM}", **PHONE)
    boxes = [box for card in page.locator(".hit").all()[:3] if (box := card.bounding_box())]
    assert boxes[0]["y"] == boxes[1]["y"] < boxes[2]["y"]
