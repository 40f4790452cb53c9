"""What was found of experiments, as somebody sees it in a real browser: on a desk, on a phone, and read aloud."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.console.conftest import OpenPage
from tests.console.test_access import PHONE, violations
from tests.support.published_reports import HOSTILE_AUTHOR


def panel(page: Page, name: str) -> Locator:
    return page.locator(".panel").filter(has=page.get_by_role("heading", name=name, exact=True))


def row(page: Page, name: str, measure: str) -> Locator:
    return panel(page, name).locator(".lifts").get_by_role("row").filter(has_text=re.compile(f"^\\s*{measure}"))


def test_lifts_stand_with_their_intervals_and_what_follows_so_far(open_page: OpenPage) -> None:
    page = open_page("/experiments")
    ctr = row(page, "narrow-band", "CTR")
    expect(ctr).to_contain_text("2.13 %")
    expect(ctr).to_contain_text("2.29 %")
    expect(ctr).to_contain_text("+7.5 % +5.4 % to +9.6 % p < 0.001")
    expect(ctr.locator(".every")).to_contain_text("+7.5 % +2.7 % to +12.3 % p = 0.004")
    expect(ctr.locator(".verdict")).to_have_text("higher")
    expect(row(page, "narrow-band", "CVR").locator(".verdict")).to_have_text("open")
    early = row(page, "narrow-band", "Purchases per unit")
    expect(early.locator(".every")).to_have_text("too early")
    expect(early.locator(".verdict")).to_have_text("too early")


def test_the_plot_shows_what_the_numbers_say(open_page: OpenPage) -> None:
    """From the left end to the right the scale goes from -15 % to +15 %, and 0 is in the middle."""
    page = open_page("/experiments")
    ends = panel(page, "narrow-band").locator(".ends span")
    assert ends.all_inner_texts() == ["−15 %", "0", "+15 %"]
    plot = row(page, "narrow-band", "CTR").locator("svg")
    places = {
        kind: [float(plot.locator(f".{kind}").get_attribute(end) or "nan") for end in ("x1", "x2")]
        for kind in ("zero", "one-look", "every-look", "value")
    }
    assert places["zero"] == [50, 50]
    assert places["one-look"] == pytest.approx([50 + 50 / 15 * 5.41, 50 + 50 / 15 * 9.61], abs=0.01)
    assert places["every-look"] == pytest.approx([50 + 50 / 15 * 2.71, 50 + 50 / 15 * 12.31], abs=0.01)
    assert places["value"] == pytest.approx([50 + 50 / 15 * 7.51] * 2, abs=0.01)
    assert row(page, "narrow-band", "Purchases per unit").locator(".every-look").count() == 0


def test_guardrails_say_their_state_their_harm_and_what_is_allowed(open_page: OpenPage) -> None:
    page = open_page("/experiments")
    good = panel(page, "narrow-band").get_by_role("list", name="Guardrails of narrow")
    texts = [" ".join(text.split()) for text in good.get_by_role("listitem").all_inner_texts()]
    assert texts == [
        "latency p50: passed −1.2 % (−4.2 % to +1.8 %), up to 10 % allowed",
        "latency p95: passed +2.1 % (−0.90 % to +5.1 %), up to 20 % allowed",
        "short pages: undecided +0.08 % (−2.9 % to +3.1 %), up to 0.5 % allowed",
        "errors: undecided too little was logged, up to 0.2 % allowed",
    ]
    bad = panel(page, "weights").locator(".guardrails .pill.worry")
    expect(bad).to_have_text("latency p95: violated")


def test_a_mismatch_of_units_is_said_before_any_lift(open_page: OpenPage) -> None:
    page = open_page("/experiments")
    report = panel(page, "weights").locator(".report")
    expect(report.locator("> *").first).to_contain_text("Believe none of these lifts.")
    expect(report.locator(".alarm")).to_contain_text("p < 0.001")
    expect(report.locator(".alarm")).to_contain_text(
        "9,000 in control, 9,013 in some-category-weight-with-a-long-name, 7,450 in most"
    )
    expect(panel(page, "narrow-band").locator(".alarm")).to_have_count(0)
    assert report.get_by_role("heading").all_inner_texts() == [
        "some-category-weight-with-a-long-name against control",
        "most against control",
    ]
    expect(row(page, "weights", "CTR").first.locator(".verdict")).to_have_text("lower")
    # An interval that is far wider than the others is cut off, and does not squeeze them.
    wide = row(page, "weights", "CTR").last.locator(".every-look")
    assert (wide.get_attribute("x1"), wide.get_attribute("x2")) == ("0.00", "100.00")


def test_a_report_says_its_age_its_events_and_who_published_it(open_page: OpenPage) -> None:
    page = open_page("/experiments")
    facts = panel(page, "narrow-band").locator(".report .facts")
    expect(facts).to_have_text(re.compile(r"^Published [\d\w ]+ ago by ruiji experiment report as report \d+ · "))
    expect(facts).to_contain_text("events from 2026-11-08 06:00 to 2026-11-20 06:00 UTC, as clients saw it")
    expect(facts).to_contain_text("48,210 units in control, 48,377 in narrow")
    expect(facts).to_contain_text("95 % intervals")
    expect(panel(page, "weights").locator(".report .facts")).to_contain_text(f"by {HOSTILE_AUTHOR} as report")


def test_an_experiment_without_a_report_says_which_command_makes_one(open_page: OpenPage) -> None:
    page = open_page("/experiments")
    report = panel(page, "quiet").locator(".report")
    expect(report).to_contain_text("No report of it was published yet.")
    expect(report.locator("code")).to_have_text("ruiji experiment report quiet --publish")
    expect(panel(page, "soon").locator(".report")).to_contain_text("It has not begun.")


def test_an_interleaved_experiment_has_turns_instead_of_shares_and_no_report_to_publish(open_page: OpenPage) -> None:
    page = open_page("/experiments")
    expect(panel(page, "side-by-side").locator("header .pill").last).to_have_text("interleaved")
    expect(panel(page, "side-by-side").get_by_role("row").filter(has_text="a1")).to_contain_text("in turns")
    report = panel(page, "side-by-side").locator(".report")
    expect(report).to_contain_text("there are no lifts to publish")
    expect(report.locator("code")).to_have_text("ruiji experiment report side-by-side")


def test_a_phone_shows_each_measure_as_a_block_with_its_plot_across(open_page: OpenPage) -> None:
    page = open_page("/experiments", **PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"]
    for scroll in page.locator(".report .scroll").all():
        assert scroll.evaluate("node => node.scrollWidth <= node.clientWidth"), "nothing is to be pushed aside"
    ctr = row(page, "narrow-band", "CTR")
    boxes: dict[str, Any] = {name: ctr.locator(name).first.bounding_box() for name in ("th", ".lift", "svg", ".every")}
    assert boxes["th"]["y"] < boxes[".lift"]["y"] < boxes["svg"]["y"] < boxes[".every"]["y"]
    assert boxes["svg"]["width"] > 280
    expect(ctr.locator(".rate").first).to_be_visible()


def test_axe_finds_nothing_on_a_phone_by_day_and_at_night(open_page: OpenPage) -> None:
    for scheme in ("light", "dark"):
        page = open_page("/experiments", **PHONE, color_scheme=scheme)
        assert violations(page) == {}
