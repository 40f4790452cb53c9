"""A share of the answers is compared with exact search, and nobody waits for it."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace

import numpy as np
import pytest
from prometheus_client import REGISTRY
from ruiji_server.domain.items import ItemState, Price
from ruiji_server.services.settings import ServerSettings, ShadowSettings
from ruiji_server.services.shadow import ShadowQueries
from ruiji_server.store.catalogue import CatalogueStore

from tests.support.catalogues import ENCODER_ID, FilledStore, an_item, build, embed_all, fill_store
from tests.support.services import served

PATIENCE_S = 20.0


@pytest.fixture
def store(tmp_path) -> FilledStore:
    store = fill_store(tmp_path, 300)
    yield store
    store.database.close()


@pytest.fixture
def directory(store, tmp_path):
    return build(store, tmp_path / "generations")[0]


def settings(share: float, cpu_share: float = 1.0) -> ServerSettings:
    return ServerSettings(
        address="127.0.0.1:0", generation_poll_s=0.05, drain_s=0.0, shadow=ShadowSettings(share, cpu_share)
    )


class Seen:
    """What the metrics say since this was made."""

    def __init__(self) -> None:
        self._before = self._values()

    def __call__(self) -> tuple[float, float, float]:
        """Return the number of comparisons, the sum of their recalls, and how many were skipped."""
        count, total, skipped = (now - before for now, before in zip(self._values(), self._before, strict=True))
        return count, total, skipped

    @staticmethod
    def _values() -> tuple[float, float, float]:
        labels = {"encoder_id": ENCODER_ID}
        return (
            REGISTRY.get_sample_value("ruiji_shadow_recall_at_20_count", labels) or 0.0,
            REGISTRY.get_sample_value("ruiji_shadow_recall_at_20_sum", labels) or 0.0,
            REGISTRY.get_sample_value("ruiji_shadow_skipped_total") or 0.0,
        )


async def compared(seen: Seen, count: int) -> None:
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while seen()[0] < count:
        assert asyncio.get_running_loop().time() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


async def test_answers_are_compared_one_after_the_other(store, directory):
    seen = Seen()
    async with served(store.database, directory, settings=settings(share=1.0)) as client:
        for number, item in enumerate(store.items[:30]):
            # With a band and without, with a category and without, with exclusions.
            await client.similar_items(
                item_id=item.item_id,
                max_price_ratio=(1.5, math.inf)[number % 2],
                category_weight=(0.0, 0.5)[number % 2],
                excluded_item_ids=[other.item_id for other in store.items[40 : 40 + number % 3]],
            )
            await compared(seen, number + 1)
    count, total, _ = seen()
    assert count == 30
    assert total / count > 0.99


async def test_what_changed_since_the_generation_is_part_of_the_comparison(store, directory):
    gone = [item.item_id for item in store.items[100:140]]
    sold = [replace(item, state=ItemState.SOLD, picture=None) for item in store.items[140:160]]
    new = [an_item(f"new-{number}", price=Price(3_000, "JPY")) for number in range(30)]
    catalogue = CatalogueStore(store.database)
    catalogue.delete(gone)
    catalogue.upsert("changes", "", [*sold, *new])
    embed_all(store.database, {item.item_id: store.vectors[number] for number, item in enumerate(new)})
    seen = Seen()
    async with served(store.database, directory, settings=settings(share=1.0)) as client:
        for number, item in enumerate(store.items[:20]):
            await client.similar_items(item_id=item.item_id, max_price_ratio=math.inf)
            await compared(seen, number + 1)
    count, total, _ = seen()
    assert total / count > 0.99


async def test_while_one_is_compared_others_are_not(store, directory):
    seen = Seen()
    async with served(store.database, directory, settings=settings(1.0, cpu_share=1e-4)) as client:
        for item in store.items[:10]:
            await client.similar_items(item_id=item.item_id)
        assert seen()[2] >= 8
    # And closing the server did not wait for it.


async def test_without_a_share_nothing_is_compared(store, directory):
    seen = Seen()
    async with served(store.database, directory, settings=settings(share=0.0)) as client:
        for item in store.items[:10]:
            await client.similar_items(item_id=item.item_id)
    assert seen() == (0.0, 0.0, 0.0)


async def test_recall_by_band_is_a_metric(store, directory):
    async with served(store.database, directory, settings=settings(share=0.0)):
        for kept_share in ("0.5", "0.1", "0.01", "0.001"):
            labels = {"encoder_id": ENCODER_ID, "kept_share": kept_share}
            assert REGISTRY.get_sample_value("ruiji_generation_band_recall_at_20", labels) == 1.0


@pytest.mark.parametrize("share", [0.001, 0.1, 0.9])
def test_gaps_are_those_of_single_draws(share):
    queries = ShadowQueries(ShadowSettings(share), seed=0)
    gaps = [queries.gap() for _ in range(20_000)]
    assert np.mean(gaps) == pytest.approx((1 - share) / share, rel=0.05)
    assert np.mean(np.array(gaps) == 0) == pytest.approx(share, rel=0.25, abs=0.001)


def test_all_or_none_need_no_draw():
    assert ShadowQueries(ShadowSettings(1.0)).gap() == 0
    assert ShadowQueries(ShadowSettings(0.0)).gap() is None


@pytest.mark.parametrize("wrong", [{"share": -0.1}, {"share": 1.1}, {"cpu_share": 0.0}, {"cpu_share": 2.0}])
def test_shares_are_shares(wrong):
    with pytest.raises(ValueError, match="must be"):
        ShadowSettings(**wrong)
