"""A server of a catalogue that two encoders have embedded, before anybody has put an experiment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from ruiji_client import AsyncRuijiClient
from ruiji_server.domain.items import ItemState
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.services.server import ServerSettings

from tests.support.catalogues import Catalogue, FilledStore, catalogue_of_two_encoders
from tests.support.services import served


@pytest.fixture(scope="package")
def shared_catalogue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    """Only experiments change in it."""
    with catalogue_of_two_encoders(tmp_path_factory.mktemp("shared")) as catalogue:
        yield catalogue


@pytest.fixture
def catalogue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalogue]:
    """Without experiments; a test's own if it changes more of it (see `own_catalogue`)."""
    if getattr(request, "param", "shared") == "own":
        with catalogue_of_two_encoders(tmp_path) as own:
            yield own
        return
    shared: Catalogue = request.getfixturevalue("shared_catalogue")
    with shared[0].database.write() as connection:
        connection.exec_driver_sql("DELETE FROM experiment_revisions")
        connection.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = 'experiment_revisions'")
    yield shared


@pytest.fixture
def store(catalogue: Catalogue) -> FilledStore:
    return catalogue[0]


@pytest.fixture
def directory(catalogue: Catalogue) -> GenerationDirectory:
    return catalogue[1]


@pytest.fixture
def settings(tmp_path: Path) -> ServerSettings:
    """Of a server that knows units."""
    return ServerSettings("127.0.0.1:0", generation_poll_s=0.05, drain_s=0.0, unit_key=tmp_path / "unit.key")


@pytest.fixture
async def client(
    store: FilledStore, directory: GenerationDirectory, settings: ServerSettings
) -> AsyncIterator[AsyncRuijiClient]:
    async with served(store.database, directory, settings=settings) as client:
        yield client


@pytest.fixture
def asked(store: FilledStore) -> str:
    """An item on sale with many others of its currency."""
    on_sale = (item for item in store.items if item.state == ItemState.ON_SALE)
    return next(item.item_id for item in on_sale if item.price.currency == "JPY")
