"""Every test of the store runs on SQLite and on a real PostgreSQL server."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from ruiji_server.store.engine import Database, open_database
from ruiji_server.store.schema import metadata

from tests.support.postgresql import PostgresqlServer, postgresql_server

__all__ = ["postgresql_server"]

NewUrl = Callable[[], str]


@pytest.fixture(scope="session")
def postgresql_store_url(postgresql_server: PostgresqlServer) -> str:
    """The URL of the one store in PostgreSQL that tests use after each other."""
    url = postgresql_server.create_database()
    open_database(url, create=True).close()
    return url


@pytest.fixture
def new_postgresql_url(postgresql_store_url: str) -> NewUrl:
    """Makes an empty store in PostgreSQL, one at a time: emptying is quicker than making another database."""

    def new_url() -> str:
        with psycopg.connect(postgresql_store_url) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            tables = sql.SQL(", ").join(sql.Identifier(name) for name in metadata.tables)
            connection.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY").format(tables))
        return postgresql_store_url

    return new_url


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
