"""Who shops: shoppers with tastes and a plan, made from nothing but a seed and a number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from ruiji_experiments.shoppers.listings import Listing
from ruiji_experiments.shoppers.tastes import Tastes, TasteSettings


@dataclass(frozen=True, slots=True)
class ShoppingSettings:
    """Who shops, and how much."""

    shoppers: int = 3_000
    pages_mean: float = 3.0
    """Pages that a shopper looks at on average; at least one, Poisson beyond that."""
    page_size: int = 10
    seed: int = 7
    tastes: TasteSettings = field(default_factory=TasteSettings)

    def __post_init__(self) -> None:
        if self.shoppers < 1 or self.page_size < 1 or self.pages_mean < 1.0:
            raise ValueError("there is at least one shopper, with one page of one item")


@dataclass(frozen=True, slots=True)
class Visit:
    """One page view, decided before anybody sees it."""

    item_id: str
    """What is looked at."""
    seed: int
    """Of what happens on this page."""


@dataclass(frozen=True, slots=True)
class Shopper:
    """Somebody who shops."""

    unit_id: str
    tastes: Tastes
    visits: tuple[Visit, ...]


class Shoppers:
    """The shoppers of a simulation, each made when it is their turn."""

    def __init__(self, listings: Mapping[str, Listing], settings: ShoppingSettings) -> None:
        """Prepare.

        Args:
            listings: the catalogue by id.
            settings: who shops, and how much.
        """
        self.listings = listings
        self.settings = settings
        self._on_sale = sorted(item.item_id for item in listings.values() if item.on_sale)

    def __len__(self) -> int:
        return self.settings.shoppers

    def __iter__(self) -> Iterator[Shopper]:
        return map(self.shopper, range(len(self)))

    def shopper(self, number: int) -> Shopper:
        """Return a shopper, always the same one for a number."""
        rng = np.random.default_rng((self.settings.seed, number))
        tastes = Tastes.draw(rng, self.settings.tastes)
        pages = 1 + int(rng.poisson(self.settings.pages_mean - 1.0))
        looked_at = rng.integers(len(self._on_sale), size=pages)
        seeds = rng.integers(2**63, size=pages)
        rows = zip(looked_at.tolist(), seeds.tolist(), strict=True)
        visits = tuple(Visit(self._on_sale[row], seed) for row, seed in rows)
        return Shopper(f"shopper-{self.settings.seed}-{number:06d}", tastes, visits)
