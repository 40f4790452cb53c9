"""Shoppers at a real server: what they do is what is recorded, and a seed makes the same day twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruiji_client import Experiment, Variant
from ruiji_events.compaction import compact
from ruiji_events.queries import EventQueries
from ruiji_events.storage import EventFolder
from ruiji_experiments.shoppers.listings import Listing
from ruiji_experiments.shoppers.people import Shoppers, ShoppingSettings
from ruiji_experiments.shoppers.shopping import ArmTally, expected_click_through, shop
from ruiji_experiments.shoppers.tastes import TasteSettings
from ruiji_server.domain.items import ItemState
from ruiji_server.events.settings import EventSettings
from ruiji_server.services.server import ServerSettings

from tests.support.catalogues import FilledStore, build, fill_store
from tests.support.services import served

EXPERIMENT = Experiment(
    name="weights",
    variants=[
        Variant(name="control", share_bp=5_000, category_weight=0.0),
        Variant(name="kinds", share_bp=5_000, category_weight=1.0),
    ],
)
# Whoever looks only at the kind of things taps more where pages are ordered by it.
TASTES = TasteSettings(attention=(1e6, 1.0, 1.0, 1.0), mood=(-2.0, 0.0), eagerness=(3.0, 0.0), thrift=(1.0, 0.0))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FilledStore:
    return fill_store(tmp_path_factory.mktemp("store"), 300)


@pytest.fixture
def shoppers(store: FilledStore) -> Shoppers:
    listings = {
        item.item_id: Listing(
            item.item_id, item.category_path, item.price.amount_minor, item.price.currency,
            item.state == ItemState.ON_SALE, "red", "plain", "low",
        )
        for item in store.items
    }  # fmt: skip
    return Shoppers(listings, ShoppingSettings(shoppers=80, pages_mean=2.0, page_size=5, tastes=TASTES))


async def a_day(store: FilledStore, shoppers: Shoppers, folder: Path) -> tuple[dict[str, ArmTally], dict[str, float]]:
    generations, _ = build(store, folder / "generations")
    (folder / "unit.key").write_text("07" * 32)
    settings = ServerSettings(
        "127.0.0.1:0", drain_s=0.0, events=EventSettings(folder / "journal"), unit_key=folder / "unit.key"
    )
    with store.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM experiment_revisions")
    async with served(store.database, generations, settings=settings) as client:
        await client.put_experiment(EXPERIMENT, author="ada", reason="to see")
        tallies = await shop(client, shoppers, "weights")
        truth = await expected_click_through(client, shoppers, ["weights/control", "weights/kinds"], 80)
    return tallies, truth


async def test_what_they_did_is_in_the_events(store, shoppers, tmp_path):
    tallies, truth = await a_day(store, shoppers, tmp_path)
    assert set(tallies) == {"control", "kinds"}
    assert sum(tally.shoppers for tally in tallies.values()) == 80
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


async def test_the_same_seed_and_key_make_the_same_day(store, shoppers, tmp_path):
    days = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        days.append(await a_day(store, shoppers, tmp_path / name))
    for arm, first in days[0][0].items():
        second = days[1][0][arm]
        assert (first.pages, first.taps, first.purchases) == (second.pages, second.taps, second.purchases)
        assert first.expected_taps == pytest.approx(second.expected_taps)
