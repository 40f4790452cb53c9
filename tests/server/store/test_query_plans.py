"""What runs at every request, poll or page must not get slower with the catalogue: it finds its rows by an index."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from ruiji_server.domain.errors import Reason
from ruiji_server.domain.items import PictureUri
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.embedding_tasks import EmbeddingTaskStore, FailedTask, FinishedTask
from ruiji_server.store.engine import Database
from ruiji_server.store.feed import FeedReader
from ruiji_server.store.lookups import embedded_among
from ruiji_server.store.snapshot import open_snapshot
from sqlalchemy import Connection, event, inspect

from tests.support.catalogues import DIMENSIONS, ENCODER_ID, an_item

ITEMS = 20_000
BIG_TABLES = {"items", "item_pictures", "feed", "embeddings", "embedding_tasks", "applied_requests"}
VECTOR = np.eye(1, DIMENSIONS, dtype=np.float32)[0]

FILLINGS = (
    "INSERT INTO items SELECT 'item-' || n, 'Shoe', n, 'JPY', '[\"Shoes\"]', 1, 'digest', NULL, n, 0",
    "INSERT INTO item_pictures SELECT 'item-' || n, {bytes}",
    "INSERT INTO feed (item_id) SELECT 'item-' || n",
    "INSERT INTO embeddings SELECT '{encoder_id}', 'item-' || n, 'digest', {bytes}",
    "INSERT INTO embedding_tasks SELECT '{encoder_id}', 'item-' || n, 'digest', n > 19900, n, 0, 'PICTURE_MISSING', ''",
    "INSERT INTO applied_requests SELECT 'request-' || n, 'digest', '{{}}', n",
)
WORDS = {
    "postgresql": {
        "numbers": "generate_series(1, {count}) AS numbers(n)",
        "bytes": f"decode(repeat('00', {4 * DIMENSIONS}), 'hex')",
    },
    "sqlite": {
        "numbers": "(WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers"
        " WHERE n < {count}) SELECT n FROM numbers)",
        "bytes": f"zeroblob({4 * DIMENSIONS})",
    },
}


def upsert(database: Database) -> None:
    moved = an_item("item-5", picture=PictureUri("file:///moved"))
    CatalogueStore(database).upsert("a", "", [an_item("item-4", title="Renamed"), an_item("new"), moved])


def claim_and_settle(database: Database) -> None:
    tasks = EmbeddingTaskStore(database, ENCODER_ID)
    claimed = tasks.claim(50, 60.0)
    tasks.finish([FinishedTask(task.item_id, task.picture_sha256, VECTOR) for task in claimed[:20]])
    tasks.fail(
        [
            FailedTask(task.item_id, task.picture_sha256, Reason.PICTURE_UNREADABLE, "no", None)
            for task in claimed[20:30]
        ]
    )
    tasks.release(claimed[30:])


def read_snapshot(database: Database) -> None:
    with open_snapshot(database, ENCODER_ID) as snapshot:
        assert sum(1 for _ in snapshot.items()) > 0


OPERATIONS: dict[str, Callable[[Database], object]] = {
    "upsert": upsert,
    "get": lambda database: CatalogueStore(database).get("item-7", include_picture=True),
    "delete": lambda database: CatalogueStore(database).delete(["item-8", "item-9", "nobody"]),
    "claim, finish, fail, release": claim_and_settle,
    "unpark": lambda database: EmbeddingTaskStore(database, ENCODER_ID).unpark(),
    "vector": lambda database: EmbeddingTaskStore(database, ENCODER_ID).vector("item-2000"),
    "changes": lambda database: FeedReader(database).changes_since(ITEMS // 2, 500),
    "changed items": lambda database: FeedReader(database).changed_items(ENCODER_ID, ITEMS // 2, 500),
    "embedded among": lambda database: embedded_among(database, ENCODER_ID, ["item-7", "item-2000", "nobody"]),
    "last position": lambda database: FeedReader(database).last_position(),
    "register": lambda database: EmbeddingTaskStore(database, "enc-other").register_encoder("other", DIMENSIONS),
    "snapshot": read_snapshot,
}
IN_INDEX_ORDER = {"changes", "last position", "snapshot"}
"""What reads without bound or at every poll may not sort either."""
EXPLAINED = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b")
READS_EVERYTHING = {("snapshot", "Index Scan of all of pk_items")}


@pytest.fixture
def full(database: Database) -> Database:
    """A store of many items."""
    words = WORDS[database.engine.dialect.name]
    EmbeddingTaskStore(database, ENCODER_ID).register_encoder("formula", DIMENSIONS)
    with database.write() as connection:
        for filling in FILLINGS:
            statement = filling.format(bytes=words["bytes"], encoder_id=ENCODER_ID)
            connection.exec_driver_sql(f"{statement} FROM {words['numbers'].format(count=ITEMS)}")
        connection.exec_driver_sql("ANALYZE")
    return database


def test_rows_are_found_by_an_index(full):
    slow = set()
    for name, operation in OPERATIONS.items():
        with explained(full) as plans:
            operation(full)
        assert plans
        slow |= {(name, step) for _, steps in plans for step in steps if step != "sort" or name in IN_INDEX_ORDER}
    assert slow - READS_EVERYTHING == set()


@contextmanager
def explained(database: Database) -> Iterator[list[tuple[str, list[str]]]]:
    """Collect every statement that runs, with the steps of its plan that take longer in a larger store."""
    explain = explained_sqlite if database.engine.dialect.name == "sqlite" else explained_postgresql
    with explain(database) as collected:
        yield collected


@contextmanager
def explained_sqlite(database: Database) -> Iterator[list[tuple[str, list[str]]]]:
    """Ask the driver, which sees what SQLAlchemy is not asked to carry out too."""
    statements: list[str] = []
    collected: list[tuple[str, list[str]]] = []

    def begin(driver: sqlite3.Connection, *_: object) -> None:
        driver.set_trace_callback(statements.append)

    def end(driver: sqlite3.Connection, *_: object) -> None:
        driver.set_trace_callback(None)

    event.listen(database.engine, "checkout", begin)
    event.listen(database.engine, "checkin", end)
    try:
        yield collected
    finally:
        event.remove(database.engine, "checkout", begin)
        event.remove(database.engine, "checkin", end)
    with database.read() as connection:
        collected += [(each, slow_steps_sqlite(connection, each)) for each in statements if EXPLAINED.match(each)]


@contextmanager
def explained_postgresql(database: Database) -> Iterator[list[tuple[str, list[str]]]]:
    collected: list[tuple[str, list[str]]] = []
    leading = {
        index: columns[0]
        for table in BIG_TABLES
        for index, columns in [
            *((entry["name"], entry["column_names"]) for entry in inspect(database.engine).get_indexes(table)),
            (f"pk_{table}", inspect(database.engine).get_pk_constraint(table)["constrained_columns"]),
        ]
    }

    def explain(
        connection: Connection, _cursor: Any, statement: str, parameters: Any, context: Any, _many: bool
    ) -> None:
        if not EXPLAINED.match(statement):
            return
        if "yield_per" in context.execution_options:
            statement = f"DECLARE explained CURSOR FOR {statement}"
        one = parameters[0] if isinstance(parameters, list) else parameters
        collected.append((statement, slow_steps_postgresql(connection, statement, one, leading)))

    event.listen(database.engine, "before_cursor_execute", explain)
    try:
        yield collected
    finally:
        event.remove(database.engine, "before_cursor_execute", explain)


def slow_steps_sqlite(connection: Connection, statement: str) -> list[str]:
    steps = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}")]
    # ANY is a search that jumps over an index's leading column.
    slow = [step for step in steps if re.match(rf"SCAN ({'|'.join(BIG_TABLES)})\b", step) or "ANY(" in step]
    return slow + ["sort" for step in steps if "TEMP B-TREE" in step]


def slow_steps_postgresql(
    connection: Connection, statement: str, parameters: Any, leading: dict[str, str]
) -> list[str]:
    with connection.connection.cursor() as cursor:
        # A table of this size may well be scanned; the question is whether a larger one could be searched.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
        [[[plan]]] = cursor.fetchall()
        cursor.execute("SET LOCAL enable_seqscan = on")
    return list(slow_nodes(plan["Plan"], leading, within_limit=False))


def slow_nodes(plan: dict[str, Any], leading: dict[str, str], *, within_limit: bool) -> Iterator[str]:
    kind, index, condition = plan["Node Type"], plan.get("Index Name"), plan.get("Index Cond")
    if kind == "Seq Scan" and plan["Relation Name"] in BIG_TABLES:
        yield f"{kind} on {plan['Relation Name']}"
    if index in leading and not within_limit and (condition is None or leading[index] not in condition):
        yield f"{kind} of all of {index}"
    if kind == "Sort":
        yield "sort"
    for part in plan.get("Plans", []):
        yield from slow_nodes(part, leading, within_limit=within_limit or kind == "Limit")
