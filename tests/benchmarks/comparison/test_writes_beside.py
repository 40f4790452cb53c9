"""Pages and upserts beside each other, against a real server with a store of its own."""

from __future__ import annotations

import pytest
from rich.console import Console

from benchmarks.comparison.progress import bar
from benchmarks.comparison.systems import Settings, chosen, prepare_all
from benchmarks.writes_beside import Plan, measure, report
from tests.benchmarks.comparison.conftest import ITEMS


@pytest.fixture(scope="module")
def prepared(work):
    settings = Settings(work=work, items=ITEMS, engines_python=work / "none", build_limit_s=300.0)
    with bar(Console(quiet=True), "Preparing", 1) as progress:
        assert prepare_all(chosen("ruiji"), settings, progress) == {}
    store = work / "ruiji" / "store.sqlite"
    before = store.read_bytes()
    yield work
    assert store.read_bytes() == before, "the store of the comparison was written to"


@pytest.mark.parametrize("pages_per_s", [None, 50])
async def test_everything_is_answered_and_reported(prepared, pages_per_s):
    plan = Plan(pages_per_s=pages_per_s, upserts_per_s=20, rounds=1, seconds=1.0, seed=0, server_core=0)
    with bar(Console(quiet=True), "Measuring", 1) as progress:
        rounds = await measure(prepared, plan, progress)
    (one,) = rounds
    assert (one.upserts.answered, one.upserts.failed) == (20, 0)
    rate = one.alone.offered_per_s
    assert one.beside.offered_per_s == rate
    for pages in (one.alone, one.beside):
        assert pages.answered + pages.failed == round(rate * plan.seconds)
        # A server without a core of its own rightly sheds what half of its saturation rate heaps up while it waits.
        assert pages.failed == 0 or pages_per_s is None
    assert pages_per_s in {None, rate}
    lines = report(rounds, plan).splitlines()
    assert [line.split("|")[1].split(",")[0].strip() for line in lines[2:]] == ["pages alone", "pages", "upserts"]
