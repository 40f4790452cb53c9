"""Statements that SQLite's driver is given directly do what SQLAlchemy does with them."""

from __future__ import annotations

import pytest
from ruiji_server.store.engine import Database
from ruiji_server.store.schema import encoder_changes as table
from ruiji_server.store.statements import FrequentStatement, Lookup
from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

INSERT = FrequentStatement(insert(table).returning(table.c.encoder_id, table.c.number))
LOOKUP = Lookup(
    select(table.c.encoder_id, table.c.detail, func.coalesce(table.c.change, "none")).where(
        table.c.changed_at_us >= bindparam("since")
    ),
    table.c.encoder_id,
    lock=True,
)


def a_row(encoder_id: str, *, at: int = 0) -> dict[str, object]:
    return {"encoder_id": encoder_id, "changed_at_us": at, "change": "c", "detail": f"{encoder_id}'s, 100 % ? :x"}


def fill(database: Database, *encoder_ids: str) -> None:
    with database.write() as connection:
        INSERT.each(connection, [a_row(encoder_id, at=at) for at, encoder_id in enumerate(encoder_ids)])


def test_rows_that_it_returns_come_for_each_of_the_parameters(database):
    with database.write() as connection:
        returned = INSERT.each(connection, [a_row("b"), a_row("a"), a_row("c")])
        assert {row[0]: row[1] for row in returned} == {"b": 1, "a": 2, "c": 3}
        assert INSERT.each(connection, []) == []
        assert [list(row) for row in INSERT.rows(connection, a_row("d"))] == [["d", 4]]


def test_statement_that_returns_nothing_has_no_rows(database):
    fill(database, "a", "b")
    renamed = FrequentStatement(
        update(table).where(table.c.encoder_id == bindparam("of")).values(detail=bindparam("given"))
    )
    with database.write() as connection:
        assert renamed.each(connection, [{"of": "a", "given": "1"}, {"given": "2", "of": "b"}]) == []
        assert renamed.rows(connection, {"of": "nobody", "given": "3"}) == []
        assert connection.execute(select(table.c.detail).order_by(table.c.encoder_id)).scalars().all() == ["1", "2"]


def test_lookup_finds_what_is_there_with_values_of_the_statement_and_of_the_call(database):
    fill(database, "a", "b", "c")
    with database.write() as connection:
        found = {row[0]: tuple(row[1:]) for row in LOOKUP.rows(connection, ["c", "a", "b", "nobody"], since=1)}
        assert found == {"b": ("b's, 100 % ? :x", "c"), "c": ("c's, 100 % ? :x", "c")}
        assert LOOKUP.rows(connection, [], since=0) == []


def test_failure_of_the_driver_is_one_of_sqlalchemy_and_undoes_the_transaction(database):
    def write_one_that_cannot_be() -> None:
        with database.write() as connection:
            INSERT.rows(connection, a_row("a"))
            INSERT.rows(connection, a_row("b") | {"detail": None})

    with pytest.raises(IntegrityError):
        write_one_that_cannot_be()
    with database.write() as connection:
        assert LOOKUP.rows(connection, ["a", "b"], since=0) == []
