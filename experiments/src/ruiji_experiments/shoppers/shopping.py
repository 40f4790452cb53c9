"""Shoppers at a server: they ask for pages over gRPC, look, tap and buy, and what they do is recorded as events.

A shopper's behaviour depends on the seed, the shopper's number and the pages alone, whatever else goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from ruiji_client import Price, impression_event, purchase_event, tap_event

from ruiji_experiments.errors import RuijiExperimentsError
from ruiji_experiments.shoppers.people import Shopper, Shoppers, Visit

if TYPE_CHECKING:
    from ruiji_client import AsyncRuijiClient, Event, SimilarItemsResponse

    from ruiji_experiments.shoppers.listings import Listing

_AT_ONCE: Final = 16
"""Shoppers who shop at the same time."""


@dataclass(slots=True)
class ArmTally:
    """What the shoppers of one variant did; in an interleaved experiment, with the items that it picked."""

    shoppers: int = 0
    pages: int = 0
    items_shown: int = 0
    taps: int = 0
    purchases: int = 0
    expected_taps: float = 0.0
    """Sum of the probabilities by which they tapped."""

    @property
    def click_through_rate(self) -> float:
        """Taps over items shown."""
        return self.taps / self.items_shown if self.items_shown else 0.0


async def shop(
    client: AsyncRuijiClient,
    shoppers: Shoppers,
    experiment: str,
    progress: Callable[[int], None] | None = None,
) -> dict[str, ArmTally]:
    """Let everybody shop, and record what they see and do.

    Args:
        client: of the server; it must take events.
        shoppers: who shops.
        experiment: whose variants what they do is counted by.
        progress: told the number of shoppers who are done since the last call.

    Returns:
        What they did by variant; under "" what they did in none, or with items that no variant picked.
    """
    tallies: dict[str, ArmTally] = defaultdict(ArmTally)
    waiting = iter(shoppers)

    async def serve_shoppers() -> None:
        # All take from one iterator, so that each shopper shops once.
        for shopper in waiting:
            await _shop_one(client, shoppers, shopper, experiment, tallies)
            if progress is not None:
                progress(1)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(_AT_ONCE):
            tasks.create_task(serve_shoppers())
    return dict(tallies)


async def expected_click_through(
    client: AsyncRuijiClient,
    shoppers: Shoppers,
    variants: Sequence[str],
    sample: int,
    progress: Callable[[int], None] | None = None,
) -> dict[str, float]:
    """Return the truth: the click-through rate of each variant if everybody had it, by the probabilities themselves.

    Every page of some shoppers is asked for by each variant, forced; nothing is recorded.

    Args:
        client: of the server.
        shoppers: who shops.
        variants: as `experiment/variant`.
        sample: how many shoppers, the first ones.
        progress: told the number of shoppers who are done since the last call.
    """
    taps, shown = dict.fromkeys(variants, 0.0), dict.fromkeys(variants, 0)
    waiting = iter(range(min(sample, len(shoppers))))

    async def look() -> None:
        for number in waiting:
            shopper = shoppers.shopper(number)
            for visit in shopper.visits:
                for variant in variants:
                    answer = await client.similar_items(
                        item_id=visit.item_id, page_size=shoppers.settings.page_size, variant=variant
                    )
                    page = _page(shoppers, answer)
                    looked_at = shoppers.listings[visit.item_id]
                    taps[variant] += float(shopper.tastes.tap_probabilities(looked_at, page).sum())
                    shown[variant] += len(page)
            if progress is not None:
                progress(1)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(_AT_ONCE):
            tasks.create_task(look())
    return {variant: taps[variant] / max(1, shown[variant]) for variant in variants}


async def _shop_one(
    client: AsyncRuijiClient,
    shoppers: Shoppers,
    shopper: Shopper,
    experiment: str,
    tallies: dict[str, ArmTally],
) -> None:
    events: list[Event] = []
    arms: set[str] = set()
    for visit in shopper.visits:
        started_ns = time.perf_counter_ns()
        answer = await client.similar_items(
            item_id=visit.item_id, page_size=shoppers.settings.page_size, unit_id=shopper.unit_id
        )
        latency_us = (time.perf_counter_ns() - started_ns) // 1_000
        arm = next((one.variant for one in answer.variants if one.experiment == experiment), "")
        arm_of_items = [item.team or arm for item in answer.items]
        arms_of_page = set(arm_of_items) or {arm}
        for one in arms_of_page:
            tallies[one].pages += 1
        arms |= arms_of_page
        events.append(
            impression_event(
                answer,
                query_item_id=visit.item_id,
                unit_id=shopper.unit_id,
                page_size=shoppers.settings.page_size,
                latency_us=latency_us,
            )
        )
        events += _behaviour(shoppers, shopper, visit, answer, [tallies[one] for one in arm_of_items])
    answer_of_events = await client.record_events(events)
    rejected = [outcome.error.reason for outcome in answer_of_events.outcomes if outcome.HasField("error")]
    if rejected:
        raise RuijiExperimentsError(f"events of {shopper.unit_id} were rejected: {rejected[0]}")
    for arm in arms:
        tallies[arm].shoppers += 1


def _behaviour(
    shoppers: Shoppers, shopper: Shopper, visit: Visit, answer: SimilarItemsResponse, tallies: Sequence[ArmTally]
) -> Iterator[Event]:
    """Yield what a shopper does on a page, and count it in the tally of each item."""
    page, looked_at = _page(shoppers, answer), shoppers.listings[visit.item_id]
    taps = shopper.tastes.tap_probabilities(looked_at, page)
    purchases = shopper.tastes.purchase_probabilities(looked_at, page)
    rng = np.random.default_rng(visit.seed)
    # Drawn for every position, so that one item's luck does not depend on another's.
    lucks = rng.random((len(page), 2))
    for row, (item, tally) in enumerate(zip(page, tallies, strict=True)):
        tally.items_shown += 1
        tally.expected_taps += float(taps[row])
        if lucks[row, 0] >= taps[row]:
            continue
        tally.taps += 1
        yield tap_event(answer.request_id, item.item_id, position=row + 1, unit_id=shopper.unit_id)
        if lucks[row, 1] < purchases[row]:
            tally.purchases += 1
            price = Price(amount_minor=item.price_minor, currency_code=item.currency)
            yield purchase_event(item.item_id, price, request_id=answer.request_id, unit_id=shopper.unit_id)


def _page(shoppers: Shoppers, answer: SimilarItemsResponse) -> list[Listing]:
    """Return the items of an answer as they are seen."""
    return [shoppers.listings[item.item_id] for item in answer.items]
