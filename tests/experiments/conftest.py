"""What simulated shoppers shop from; only experiments change in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ruiji_experiments.shoppers.people import Shoppers

from tests.support.catalogues import Catalogue, build, fill_store
from tests.support.shops import shoppers_in


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    """300 items and a generation of them."""
    folder = tmp_path_factory.mktemp("stock")
    store = fill_store(folder, 300)
    yield store, build(store, folder / "generations")[0]
    store.database.close()


@pytest.fixture
def shoppers(stock: Catalogue) -> Shoppers:
    return shoppers_in(stock[0])
