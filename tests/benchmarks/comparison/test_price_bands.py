"""Bands that keep a share of the catalogue, against a real server with and without a neighbour table."""

from __future__ import annotations

import pytest
from rich.console import Console

from benchmarks.comparison.catalogue import Queries, measured_queries
from benchmarks.comparison.job import Catalogue
from benchmarks.comparison.progress import bar
from benchmarks.comparison.systems import Settings, chosen, prepare_all
from benchmarks.price_bands import SHARES, Plan, asked_for, measure, report
from tests.benchmarks.comparison.conftest import ITEMS, QUERIES


@pytest.fixture(scope="module")
def bands(work):
    catalogue, rows = Catalogue.open(work), Queries.open(measured_queries(work)).rows
    with bar(Console(quiet=True), "Exact answers", len(SHARES)) as progress:
        return {share: asked_for(catalogue, rows, share, progress) for share in SHARES}


def test_a_band_keeps_its_share_and_the_plain_one_has_the_pages_of_the_comparison(work, bands):
    assert len(bands[0.5].requests) == QUERIES
    # Bands are laid around a price, so on one side they may end before the catalogue does; prices tie.
    assert bands[0.5].kept_share == pytest.approx(0.5, rel=0.05)
    assert bands[0.1].kept_share == pytest.approx(0.1, rel=0.1)
    assert bands[0.5].kept_share > bands[0.1].kept_share > bands[0.01].kept_share >= 0.01
    for page, wanted in zip(bands[None].pages, Queries.open(measured_queries(work)).pages, strict=True):
        assert set(page.tolist()) == set(wanted[wanted >= 0].tolist())


async def test_every_page_is_the_exact_one_and_all_shares_are_reported(work, bands):
    settings = Settings(work=work, items=ITEMS, engines_python=work / "none", build_limit_s=300.0)
    plan = Plan(rounds=1, seconds=0.3, rate_per_s=20.0, server_core=0)
    with bar(Console(quiet=True), "Measuring", 1) as progress:
        assert prepare_all(chosen("ruiji"), settings, progress) == {}
        found = await measure(work, Catalogue.open(work), bands, plan, progress)
    assert len(found) == 2 * len(SHARES)
    for (one,) in found.values():
        assert one.recall >= 0.95
        assert one.busy.failed == one.arriving.failed == 0
    page, _ = report(found, bands, plan)
    assert [line.split("|")[2].strip() for line in page.splitlines()[2:]] == 2 * [
        "plain", "50.0%", "10.0%", "1.0%", "0.1%",
    ]  # fmt: skip
