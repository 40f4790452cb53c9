"""Locks between writers of one PostgreSQL store; each is held until its transaction ends.

SQLite needs none of them: its writers take turns from BEGIN IMMEDIATE on. On PostgreSQL writers work side by side and
every transaction takes what it needs in this order, so that no two can wait for each other:

    request id  ->  experiments  ->  rows of items, by id  ->  other rows, by encoder and id  ->  feed
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from ruiji_server.store.schema import experiment_revisions, items

FEED_CHANNEL = "ruiji_feed"
"""PostgreSQL channel that hears of every commit that appends to the feed."""
FEED_STALL_S = 5.0
"""A writer that stops between numbering its changes and committing is cut off after this long."""

_NAMESPACE = 0x7275696A  # "ruij": keeps clear of other users of advisory locks in the same database
_FEED, _SCHEMA, _TRIMMING = 1, 2, 3

# Evaluated from left to right. Announcing costs nothing more: PostgreSQL lets commits that notify take turns anyway.
_LOCK_FEED = text(
    "SELECT set_config('idle_in_transaction_session_timeout', :stall, true),"
    f" pg_advisory_xact_lock({_NAMESPACE}, {_FEED}), pg_notify('{FEED_CHANNEL}', '')"
)


def lock_feed(connection: Connection) -> None:
    """Let nobody else number changes until this transaction ends; wake the feed's readers when it commits."""
    if _is_postgresql(connection):
        connection.execute(_LOCK_FEED, {"stall": f"{round(FEED_STALL_S * 1000)}ms"})


def own_items(connection: Connection) -> None:
    """Wait until nobody else writes or locks items, and let nobody do so until this transaction ends.

    Readers go on. Only for what is rare and short; call it before any item is locked.
    """
    if _is_postgresql(connection):
        connection.exec_driver_sql(f"LOCK TABLE {items.name} IN EXCLUSIVE MODE")


def own_experiments(connection: Connection) -> None:
    """Let nobody else change experiments until this transaction ends; readers go on."""
    if _is_postgresql(connection):
        connection.exec_driver_sql(f"LOCK TABLE {experiment_revisions.name} IN EXCLUSIVE MODE")


def own_schema(connection: Connection) -> None:
    """Let nobody else make or change the tables until this transaction ends."""
    if _is_postgresql(connection):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_NAMESPACE}, {_SCHEMA})")


def own_trimming(connection: Connection) -> None:
    """Let nobody else trim the feed until this transaction ends; nobody who appends to it or reads it waits."""
    if _is_postgresql(connection):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_NAMESPACE}, {_TRIMMING})")


def _is_postgresql(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"
