"""Rows of embedding tasks: which of them a statement means, and how far ahead one may be due.

`available_at_us` is when a worker may take a task: the moment it was made, the end of the pause after a failed try, or
the end of the lease of the worker that has it.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BindParameter, ColumnElement, and_, bindparam

from ruiji_server.store.schema import embedding_tasks

LONGEST_WAIT_S: Final = 900.0
"""No lease and no pause before a retry is longer; what is asked for beyond it is cut."""


def after_us(now_us: int, wait_s: float) -> int:
    """Return the moment that is `wait_s` seconds, at most `LONGEST_WAIT_S`, after another; both in microseconds."""
    return now_us + round(min(wait_s, LONGEST_WAIT_S) * 1e6)


def of_encoder(encoder_id: str) -> ColumnElement[bool]:
    """Return the condition for the tasks of an encoder."""
    return embedding_tasks.c.encoder_id == encoder_id


def waiting_of(encoder_id: str) -> ColumnElement[bool]:
    """Return the condition for an encoder's tasks that were not given up, those under way included."""
    return and_(of_encoder(encoder_id), embedding_tasks.c.parked.is_(False))


def parked_of(encoder_id: str) -> ColumnElement[bool]:
    """Return the condition for an encoder's tasks that were given up."""
    return and_(of_encoder(encoder_id), embedding_tasks.c.parked.is_(True))


def named_task(encoder_id: str) -> ColumnElement[bool]:
    """Return the condition for the one task that `task_name` gives the parameters of.

    A task whose picture was replaced meanwhile has another digest, and is not meant.
    """
    return and_(
        of_encoder(encoder_id),
        embedding_tasks.c.item_id == bindparam("of_item"),
        embedding_tasks.c.picture_sha256 == bindparam("of_picture"),
    )


def task_name(item_id: str, picture_sha256: str) -> dict[str, str | int]:
    """Return the parameters of `named_task`."""
    return {"of_item": item_id, "of_picture": picture_sha256}


def leased_until(until_us: int | BindParameter[Any]) -> ColumnElement[bool]:
    """Return the condition for tasks under the lease that ends at a moment, in microseconds."""
    return and_(embedding_tasks.c.parked.is_(False), embedding_tasks.c.available_at_us == until_us)
