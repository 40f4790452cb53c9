"""Chance in the order of pages: known to the answer, to the client's events, and absent where people look closely."""

from __future__ import annotations

import numpy as np
import pytest
from ruiji_client import impression_event
from ruiji_experiments.replay.exploration import Exploration
from ruiji_server.generations.builder import BuildSettings
from ruiji_server.services.server import ServerSettings

from tests.support.catalogues import build, fill_store
from tests.support.services import served

ITEMS = 60
WINDOW = 5
PAGES = 60


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exploring")
    store = fill_store(folder, ITEMS)
    yield store, build(store, folder / "generations", BuildSettings(recall_sample=20))[0]
    store.database.close()


def exploring(share: float) -> ServerSettings:
    return ServerSettings(
        address="127.0.0.1:0", generation_poll_s=0.05, drain_s=0.0, exploration=Exploration(share, WINDOW)
    )


async def page(client, **request) -> list[str]:
    answer = await client.similar_items(item_id="item-00007", page_size=20, max_price_ratio=float("inf"), **request)
    return [item.item_id for item in answer.items]


async def test_every_page_is_shuffled_inside_its_windows_if_the_share_is_one(catalogue):
    store, generations = catalogue
    async with served(store.database, generations, settings=exploring(1.0)) as client:
        ranked = await page(client, explain=True)
        drawn = [await page(client) for _ in range(10)]
    assert len({tuple(order) for order in drawn}) > 1
    for order in drawn:
        for start in range(0, len(ranked), WINDOW):
            assert sorted(order[start : start + WINDOW]) == sorted(ranked[start : start + WINDOW])


async def test_items_keep_their_own_values_wherever_they_come_to_stand(catalogue):
    store, generations = catalogue
    async with served(store.database, generations, settings=exploring(1.0)) as client:
        ranked = await client.similar_items(item_id="item-00007", page_size=20, explain=True)
        drawn = await client.similar_items(item_id="item-00007", page_size=20)
    for item in drawn.items:
        item.ClearField("propensity")
    assert sorted(drawn.items, key=lambda item: item.item_id) == sorted(ranked.items, key=lambda item: item.item_id)


async def test_propensities_are_the_shares_in_which_items_come_to_their_places(catalogue):
    store, generations = catalogue
    share = 0.5
    async with served(store.database, generations, settings=exploring(share)) as client:
        ranked = await page(client, explain=True)
        answers = [
            await client.similar_items(item_id="item-00007", page_size=20, max_price_ratio=float("inf"))
            for _ in range(PAGES)
        ]
    moved, stayed = share / WINDOW, share / WINDOW + 1 - share
    # The last run may be shorter, and its propensities are its own.
    whole = len(ranked) - len(ranked) % WINDOW
    for answer in answers:
        for place, item in enumerate(answer.items[:whole]):
            expected = stayed if item.item_id == ranked[place] else moved
            assert item.propensity == pytest.approx(expected, rel=1e-6)
    kept = np.mean([[item.item_id == ranked[n] for n, item in enumerate(answer.items[:whole])] for answer in answers])
    # Whole pages are shuffled or not, so the deviation is that of the pages.
    assert abs(kept - stayed) < 4 * np.sqrt(share * (1 - share) / PAGES)


async def test_the_clients_impression_carries_them(catalogue):
    store, generations = catalogue
    async with served(store.database, generations, settings=exploring(0.5)) as client:
        answer = await client.similar_items(item_id="item-00007", page_size=5)
    event = impression_event(answer, query_item_id="item-00007")
    assert [item.propensity for item in event.impression.items] == [item.propensity for item in answer.items]
    assert all(item.HasField("propensity") for item in event.impression.items)


async def test_a_server_that_does_not_explore_ranks_alone_and_says_nothing_of_chance(catalogue):
    store, generations = catalogue
    async with served(store.database, generations) as client:
        answers = [await client.similar_items(item_id="item-00007", page_size=20) for _ in range(3)]
    assert not any(item.HasField("propensity") for answer in answers for item in answer.items)
    assert answers[0].items == answers[1].items == answers[2].items


async def test_batches_are_never_shuffled(catalogue):
    store, generations = catalogue
    async with served(store.database, generations, settings=exploring(1.0)) as client:
        outcomes = (await client.similar_items_batch(["item-00007"] * 3, page_size=20)).outcomes
        ranked = await client.similar_items(item_id="item-00007", page_size=20, explain=True)
    assert all(outcome.items == ranked.items for outcome in outcomes)
