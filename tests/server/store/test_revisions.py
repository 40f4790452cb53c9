from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest
import ruiji_server.store.migrations
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from ruiji_server.domain.errors import Unavailable
from ruiji_server.store.catalogue import CatalogueStore, UpsertKind
from ruiji_server.store.embedding_tasks import EmbeddingTaskStore
from ruiji_server.store.engine import StoreError, open_database, upgrade_store
from ruiji_server.store.schema import SCHEMA_REVISION, metadata
from sqlalchemy import Engine, create_engine, inspect, text

from tests.support.catalogues import ENCODER_ID, an_item
from tests.support.postgresql import PostgresqlServer

MIGRATIONS = Path(ruiji_server.store.migrations.__file__).parent


@pytest.fixture(params=["sqlite", "postgresql"])
def bare_url(request, tmp_path) -> str:
    """A place where no store is yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new.sqlite'}"
    server: PostgresqlServer = request.getfixturevalue("postgresql_server")
    return server.create_database()


@pytest.fixture
def bare_engine(bare_url) -> Iterator[Engine]:
    engine = create_engine(bare_url.replace("postgresql:", "postgresql+psycopg:"))
    yield engine
    engine.dispose()


def make_store_of_the_first_release(engine: Engine) -> None:
    """The first release made its tables without Alembic, and left an item and an encoder here."""
    path = MIGRATIONS / "versions" / "r0001_first_release.py"
    spec = importlib.util.spec_from_file_location("first_release", path)
    revision = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(revision)
    with engine.begin() as connection:
        with Operations.context(MigrationContext.configure(connection)):
            revision.upgrade()
        connection.execute(text("INSERT INTO store_properties VALUES ('schema_version', '1')"))
        connection.execute(
            text("INSERT INTO items VALUES ('old', 'Old shoe', 1000, 'JPY', '[\"Shoes\"]', 1, 'd', 'file:///a', 1, 0)")
        )
        connection.execute(text("INSERT INTO feed (item_id) VALUES ('old')"))
        connection.execute(text("INSERT INTO encoders VALUES (:id, 'formula', 128, 0)"), {"id": ENCODER_ID})


def set_revision(engine: Engine, revision: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def test_the_newest_revision_is_the_one_that_this_release_needs():
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == SCHEMA_REVISION


def test_the_revisions_make_the_tables_that_the_code_expects(bare_url, bare_engine):
    open_database(bare_url, create=True).close()
    with bare_engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_ids_sort_by_their_bytes_although_the_database_has_another_language(postgresql_server):
    url = postgresql_server.create_database()
    open_database(url, create=True).close()
    with psycopg.connect(url) as connection:
        [[by_default]] = connection.execute("SELECT 'a' < 'B'").fetchall()
        assert by_default, "the server's default collation is not a language's; this test would prove nothing"
        collations = connection.execute(
            "SELECT table_name, collation_name FROM information_schema.columns"
            " WHERE column_name = 'item_id' AND table_schema = 'public'"
        ).fetchall()
    assert {table for table, _ in collations} == {"items", "item_pictures", "feed", "embeddings", "embedding_tasks"}
    assert {collation for _, collation in collations} == {"C"}


def test_a_missing_store_is_not_made_by_accident(bare_url, bare_engine):
    with pytest.raises(StoreError, match="there is no store"):
        open_database(bare_url)
    assert inspect(bare_engine).get_table_names() == []


def test_a_store_of_an_older_release_is_refused_until_it_is_upgraded_and_then_keeps_what_it_had(bare_url, bare_engine):
    make_store_of_the_first_release(bare_engine)
    for create in (False, True):
        with pytest.raises(StoreError, match=r"schema revision 0001.*`ruiji store upgrade`"):
            open_database(bare_url, create=create)
    assert upgrade_store(bare_url) == ("0001", SCHEMA_REVISION)
    database = open_database(bare_url)
    store = CatalogueStore(database)
    assert store.get("old").item.title == "Old shoe"
    assert store.upsert("1", "", [an_item("new")]).outcomes[0].kind == UpsertKind.CREATED
    tasks = EmbeddingTaskStore(database, ENCODER_ID)
    tasks.register_encoder("formula", 128)
    assert {task.item_id for task in tasks.claim(10, 60.0)} == {"new"}, "its own encoder had its tasks already"
    database.close()


def test_upgrading_twice_changes_nothing(bare_url):
    open_database(bare_url, create=True).close()
    assert upgrade_store(bare_url) == (SCHEMA_REVISION, SCHEMA_REVISION)


def test_an_upgrade_makes_no_store(bare_url, bare_engine):
    with pytest.raises(StoreError, match="there is no store"):
        upgrade_store(bare_url)
    assert inspect(bare_engine).get_table_names() == []


def test_a_store_of_a_newer_release_is_refused_and_left_alone(bare_url, bare_engine):
    open_database(bare_url, create=True).close()
    set_revision(bare_engine, "0099")
    for use in (open_database, partial(open_database, create=True), upgrade_store):
        with pytest.raises(StoreError, match="0099, which is newer"):
            use(bare_url)


def test_several_processes_may_make_the_store_at_once(bare_url):
    failures: list[Exception] = []

    def make() -> None:
        try:
            open_database(bare_url, create=True).close()
        except Exception as error:  # noqa: BLE001  (a thread's failure must reach the test)
            failures.append(error)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    open_database(bare_url).close()


def test_an_upgrade_that_fails_half_way_changes_nothing(bare_url, bare_engine):
    make_store_of_the_first_release(bare_engine)
    with bare_engine.begin() as connection:
        connection.execute(text("ALTER TABLE encoders ADD COLUMN tasks_given_to TEXT"))  # in the second one's way
    before = set(inspect(bare_engine).get_table_names())
    with pytest.raises((StoreError, Unavailable)):
        upgrade_store(bare_url)
    assert set(inspect(bare_engine).get_table_names()) == before


@pytest.mark.parametrize(
    "url", ["mysql://localhost/ruiji", "sqlite://", "no such://thing", "sqlite:///:memory:", "oracle://x/y"]
)
def test_urls_that_are_no_durable_store_are_refused(url):
    with pytest.raises(StoreError):
        open_database(url)


def test_a_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("milk, bread, " * 1000)
    with pytest.raises(StoreError, match="something else than a store"):
        open_database(str(tmp_path / "notes.txt"), create=True)


def test_a_server_that_is_not_there_is_named_without_its_password(tmp_path):
    with pytest.raises(Unavailable) as caught:
        open_database(f"postgresql://ruiji:secret@/ruiji?host={tmp_path}")
    assert str(tmp_path) in caught.value.message
    assert "secret" not in caught.value.message


def test_a_user_who_may_not_make_tables_is_told(postgresql_server):
    url = postgresql_server.create_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE ROLE reader LOGIN")
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    with pytest.raises(StoreError, match="cannot be made: permission denied"):
        open_database(url.replace("ruiji@", "reader@"), create=True)


def test_a_server_that_acknowledges_before_it_has_stored_is_refused(postgresql_server):
    url = postgresql_server.create_database()
    with pytest.raises(StoreError, match="synchronous_commit"):
        open_database(f"{url}&options=-csynchronous_commit%3Doff", create=True)
