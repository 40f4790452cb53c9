"""The wanted page, worked out item by item with no index and no columns: what the recommender is compared with."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray
from ruiji_server.domain.items import Item, ItemState, Price
from ruiji_server.ranking.policy import RankingPolicy


def wanted_page(
    items: Sequence[Item],
    vectors: NDArray[np.float32],
    query: NDArray[np.float32],
    *,
    page_size: int,
    policy: RankingPolicy,
    price: Price | None,
    category_path: tuple[str, ...] | None,
    currency: str | None = None,
    excluded: Collection[str] = (),
) -> tuple[list[str], bool]:
    """Return the ids of the page, best first, and whether no other item is eligible."""
    wanted_currency = currency or (price.currency if price else None)
    eligible = [
        position
        for position, item in enumerate(items)
        if item.state == ItemState.ON_SALE
        and item.item_id not in excluded
        and (wanted_currency is None or item.price.currency == wanted_currency)
        and (price is None or price.currency != wanted_currency or _ratio(item.price, price) <= policy.max_price_ratio)
    ]
    cosines = {position: float(vectors[position] @ query) for position in eligible}
    nearest = sorted(eligible, key=lambda position: (-cosines[position], items[position].item_id.encode()))
    pool = nearest[: max(policy.candidates, page_size)]

    def score(position: int) -> float:
        if category_path is None:
            return cosines[position]
        similarity = _similarity(items[position].category_path, category_path)
        return (1 - policy.category_weight) * cosines[position] + policy.category_weight * similarity

    page = sorted(pool, key=lambda position: (-round(score(position), 5), items[position].item_id.encode()))
    return [items[position].item_id for position in page[:page_size]], len(eligible) <= page_size


def _ratio(one: Price, other: Price) -> float:
    amounts = one.amount_minor, other.amount_minor
    return max(amounts) / min(amounts)


def _similarity(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    common = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return 2 * common / (len(one) + len(other))
