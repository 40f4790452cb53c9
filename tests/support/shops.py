"""A shop that simulated shoppers go to: a real server, and people who look at nothing but the kind of things."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from ruiji_experiments.shoppers.listings import Listing
from ruiji_experiments.shoppers.people import Shoppers, ShoppingSettings
from ruiji_experiments.shoppers.tastes import TasteSettings
from ruiji_server.domain.items import ItemState
from ruiji_server.events.settings import EventSettings
from ruiji_server.services.server import ServerSettings

from tests.support.catalogues import Catalogue, FilledStore
from tests.support.services import serving

SHOPPERS: Final = 120
# Whoever looks only at the kind of things taps more where pages are ordered by it.
_TASTES: Final = TasteSettings(
    attention=(1e6, 1.0, 1.0, 1.0), mood=(-2.0, 0.0), eagerness=(3.0, 0.0), thrift=(1.0, 0.0)
)


def shoppers_in(store: FilledStore) -> Shoppers:
    """Return the shoppers of a store's items, the same whenever they are asked for."""
    listings = {
        item.item_id: Listing(
            item.item_id, item.category_path, item.price.amount_minor, item.price.currency,
            item.state == ItemState.ON_SALE, "red", "plain", "low",
        )
        for item in store.items
    }  # fmt: skip
    return Shoppers(listings, ShoppingSettings(shoppers=SHOPPERS, pages_mean=2.0, page_size=6, tastes=_TASTES))


@asynccontextmanager
async def open_shop(catalogue: Catalogue, folder: Path) -> AsyncIterator[str]:
    """Yield the address of a server without experiments, which keeps events in `folder` / "journal"."""
    store, generations = catalogue
    # Units get the same variants in every shop.
    (folder / "unit.key").write_text("07" * 32)
    settings = ServerSettings(
        "127.0.0.1:0", drain_s=0.0, events=EventSettings(folder / "journal"), unit_key=folder / "unit.key"
    )
    with store.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM experiment_revisions")
    async with serving(store.database, generations, settings) as server:
        yield f"127.0.0.1:{server.port}"
