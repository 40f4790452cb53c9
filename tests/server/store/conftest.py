"""Every test of the store runs on SQLite and on a real PostgreSQL server."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ruiji_server.store.engine import Database, open_database

from tests.support.postgresql import PostgresqlServer, database_name, postgresql_server

__all__ = ["postgresql_server"]

NewUrl = Callable[[], str]


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: PostgresqlServer) -> str:
    """The name of a database with an empty store, to be copied."""
    url = postgresql_server.create_database()
    open_database(url, create=True).close()
    return database_name(url)


@pytest.fixture
def new_postgresql_url(postgresql_server: PostgresqlServer, postgresql_template: str) -> NewUrl:
    """Makes empty stores in PostgreSQL."""
    return lambda: postgresql_server.create_database(postgresql_template)


@pytest.fixture
def new_sqlite_url(tmp_path: Path) -> NewUrl:
    """Makes empty stores in SQLite."""
    numbers = itertools.count()

    def new_url() -> str:
        url = f"sqlite:///{tmp_path / f'store{next(numbers)}.sqlite'}"
        open_database(url, create=True).close()
        return url

    return new_url


@pytest.fixture(params=["sqlite", "postgresql"])
def new_store_url(request: pytest.FixtureRequest) -> NewUrl:
    """Makes empty stores."""
    new_url: NewUrl = request.getfixturevalue(f"new_{request.param}_url")
    return new_url


@pytest.fixture
def store_url(new_store_url: NewUrl) -> str:
    """The URL of an empty store."""
    return new_store_url()


@pytest.fixture
def database(store_url: str) -> Iterator[Database]:
    """An empty store."""
    database = open_database(store_url)
    yield database
    database.close()
