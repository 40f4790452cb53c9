"""One catalogue and one generation of it, shared by the tests that only read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.generation import Generation
from ruiji_server.store.engine import Database, open_database

from tests.support.catalogues import FilledStore, build, fill_store


@pytest.fixture(scope="session")
def filled_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilledStore]:
    """3,000 items; read-only by agreement."""
    store = fill_store(tmp_path_factory.mktemp("filled"), 3_000)
    yield store
    store.database.close()


@pytest.fixture(scope="session")
def generations(filled_store: FilledStore, tmp_path_factory: pytest.TempPathFactory) -> GenerationDirectory:
    """Holds one published generation of the filled store; read-only by agreement."""
    directory, _ = build(filled_store, tmp_path_factory.mktemp("generations"))
    return directory


@pytest.fixture(scope="session")
def generation(generations: GenerationDirectory) -> Generation:
    """The generation of the filled store."""
    return generations.open_current()


@pytest.fixture
def database(tmp_path) -> Iterator[Database]:
    """An empty store."""
    database = open_database(f"sqlite:///{tmp_path / 'store.sqlite'}", create=True)
    yield database
    database.close()
