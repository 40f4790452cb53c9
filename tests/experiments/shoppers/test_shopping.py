"""Shoppers at a real server: what they do is what is recorded, and a seed makes the same day twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruiji_cli.patience import PATIENT
from ruiji_client import AsyncRuijiClient, ClientSettings, Experiment, Variant
from ruiji_events.compaction import compact
from ruiji_events.queries import EventQueries
from ruiji_events.storage import EventFolder
from ruiji_experiments.shoppers.people import Shoppers
from ruiji_experiments.shoppers.shopping import ArmTally, expected_click_through, shop

from tests.support.catalogues import Catalogue
from tests.support.shops import SHOPPERS, open_shop

EXPERIMENT = Experiment(
    name="weights",
    variants=[
        Variant(name="control", share_bp=5_000, category_weight=0.0),
        Variant(name="kinds", share_bp=5_000, category_weight=1.0),
    ],
)


async def a_day(stock: Catalogue, shoppers: Shoppers, folder: Path) -> tuple[dict[str, ArmTally], dict[str, float]]:
    async with (
        open_shop(stock, folder) as target,
        AsyncRuijiClient(ClientSettings(target, deadlines=PATIENT)) as client,
    ):
        await client.put_experiment(EXPERIMENT, author="ada", reason="to see")
        tallies = await shop(client, shoppers, "weights")
        truth = await expected_click_through(client, shoppers, ["weights/control", "weights/kinds"], SHOPPERS)
    return tallies, truth


async def test_what_they_did_is_in_the_events(stock, shoppers, tmp_path):
    tallies, truth = await a_day(stock, shoppers, tmp_path)
    assert set(tallies) == {"control", "kinds"}
    assert sum(tally.shoppers for tally in tallies.values()) == SHOPPERS
    assert truth["weights/kinds"] > truth["weights/control"]
    compact(EventFolder(str(tmp_path / "events")), tmp_path / "journal")
    by_arm = (
        "SELECT experiments[1].variant, count(*), count(DISTINCT unit), sum(len(items)) FROM impressions GROUP BY 1"
    )
    with EventQueries(EventFolder(str(tmp_path / "events"))) as events:
        recorded = {arm: rest for arm, *rest in events.sql(by_arm).fetchall()}
        [[taps]] = events.sql("SELECT count(*) FROM taps").fetchall()
        [[purchases]] = events.sql("SELECT count(*) FROM purchases").fetchall()
    assert recorded == {arm: [one.pages, one.shoppers, one.items_shown] for arm, one in tallies.items()}
    assert taps == sum(one.taps for one in tallies.values()) > 0
    assert purchases == sum(one.purchases for one in tallies.values()) > 0


async def test_the_same_seed_and_key_make_the_same_day(stock, shoppers, tmp_path):
    days = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        days.append(await a_day(stock, shoppers, tmp_path / name))
    for arm, first in days[0][0].items():
        second = days[1][0][arm]
        assert (first.pages, first.taps, first.purchases) == (second.pages, second.taps, second.purchases)
        assert first.expected_taps == pytest.approx(second.expected_taps)
