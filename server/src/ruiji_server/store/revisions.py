"""The revision of a store's tables: checked when it is opened, brought up to date by Alembic when asked for."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, select
from sqlalchemy.exc import ProgrammingError

from ruiji_server.store.locks import own_schema
from ruiji_server.store.schema import SCHEMA_REVISION

_MIGRATIONS = Path(__file__).parent / "migrations"
_FIRST_REVISION = "0001"

# Stores of the first release said by this table alone that they are of the first revision.
_FIRST_RELEASE_TABLE = "store_properties"
_alembic_version = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


class StoreError(Exception):
    """A store that this release cannot use; the message says what to do."""


def check_server(connection: Connection) -> None:
    """Check that a PostgreSQL server keeps what it acknowledges, and every character.

    Raises:
        StoreError: it does not.
    """
    if connection.dialect.name != "postgresql":
        return
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding != "UTF8":
        raise StoreError(f"the database has the encoding {encoding}; make one with ENCODING 'UTF8'")
    if connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "off":
        raise StoreError("the server acknowledges commits before they are durable; set synchronous_commit = on")


def check_revision(connection: Connection) -> None:
    """Check that the tables are those of this release.

    Raises:
        StoreError: there are none, or older or newer ones.
    """
    found = _revision(connection)
    if found == SCHEMA_REVISION:
        return
    where = connection.engine.url.render_as_string()
    if found is None:
        raise StoreError(f"there is no store at {where}; `ruiji catalog import` or `ruiji up` makes one")
    if found in _known_revisions():
        raise StoreError(
            f"the store at {where} has schema revision {found}, this release needs {SCHEMA_REVISION}: stop every "
            "process that uses it, make a backup, and run `ruiji store upgrade`"
        )
    raise StoreError(
        f"the store at {where} has schema revision {found}, which is newer than this release's {SCHEMA_REVISION}; "
        "use the release that wrote it, or a later one"
    )


def create_tables(connection: Connection) -> None:
    """Make the tables where there are none, within the connection's transaction; leaves others as they are.

    Raises:
        StoreError: the database user may not make tables.
    """
    own_schema(connection)
    if _revision(connection) is None:
        _migrate(connection, None)


def upgrade_tables(connection: Connection) -> tuple[str, str]:
    """Bring older tables up to date, within the connection's transaction.

    Returns:
        The revision before and the revision now; the same if there was nothing to do.

    Raises:
        StoreError: there is no store, it is a newer release's, or the database user may not change its tables.
    """
    own_schema(connection)
    found = _revision(connection)
    if found is None or found == SCHEMA_REVISION or found not in _known_revisions():
        check_revision(connection)
        return SCHEMA_REVISION, SCHEMA_REVISION
    _migrate(connection, found)
    return found, SCHEMA_REVISION


def _migrate(connection: Connection, found: str | None) -> None:
    # Slow to import, and needed once in a store's life.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        if found == _FIRST_REVISION:
            command.stamp(config, _FIRST_REVISION)
        command.upgrade(config, SCHEMA_REVISION)
    except ProgrammingError as error:
        raise StoreError(f"the tables of the store cannot be made: {error.orig}") from error


def _revision(connection: Connection) -> str | None:
    tables = inspect(connection)
    if tables.has_table(_alembic_version.name):
        return connection.execute(select(_alembic_version.c.version_num)).scalar_one_or_none()
    return _FIRST_REVISION if tables.has_table(_FIRST_RELEASE_TABLE) else None


def _known_revisions() -> set[str]:
    from alembic.script import ScriptDirectory

    return {script.revision for script in ScriptDirectory(str(_MIGRATIONS)).walk_revisions()}
