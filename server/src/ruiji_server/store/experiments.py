"""Experiments as the store keeps them: revisions that are never changed, of which the last of each is in force."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from ruiji_experiments.definition.layers import PlacedExperiment
from ruiji_experiments.definition.stored import from_json
from sqlalchemy import Connection, Row, func, select

from ruiji_server.domain.errors import ExperimentNotFound
from ruiji_server.store.engine import Database
from ruiji_server.store.schema import experiment_revisions


class Action(StrEnum):
    """What can be done to an experiment. The store keeps these words: never rename one."""

    PUT = "put"
    STOPPED = "stopped"
    ROLLED_BACK = "rolled back"


@dataclass(frozen=True, slots=True)
class ExperimentRevision:
    """An experiment as it was put once."""

    number: int
    """Over all experiments, in the order of the changes."""
    placed: PlacedExperiment
    """With its buckets."""
    action: Action
    author: str
    reason: str
    changed_at: datetime
    """In UTC."""
    restored: int | None
    """The revision whose definition was put back."""

    @property
    def name(self) -> str:
        """The experiment's."""
        return self.placed.experiment.name


def newest_revision(database: Database) -> int:
    """Return the number of the last change to any experiment, 0 if there was none."""
    with database.read() as connection:
        return connection.execute(select(func.max(experiment_revisions.c.number))).scalar_one() or 0


def experiments(database: Database) -> list[ExperimentRevision]:
    """Return the revisions in force, those of experiments that ended included, by name."""
    with database.read() as connection:
        return list(experiments_in(connection).values())


def experiments_in(connection: Connection) -> dict[str, ExperimentRevision]:
    """Return the revisions in force by name, in its order, as the transaction sees them."""
    newest = select(func.max(experiment_revisions.c.number)).group_by(experiment_revisions.c.experiment)
    statement = (
        select(experiment_revisions)
        .where(experiment_revisions.c.number.in_(newest))
        .order_by(experiment_revisions.c.experiment)
    )
    revisions = [_revision(row) for row in connection.execute(statement)]
    # The database's language may sort otherwise than Python.
    return {revision.name: revision for revision in sorted(revisions, key=lambda revision: revision.name)}


def experiment(database: Database, name: str) -> ExperimentRevision:
    """Return the revision of an experiment that is in force.

    Raises:
        ExperimentNotFound: there is none of that name.
    """
    return experiment_history(database, 1, name)[0]


def experiment_history(database: Database, limit: int, name: str | None = None) -> list[ExperimentRevision]:
    """Return the latest changes, newest first.

    Args:
        database: the store.
        limit: how many at most.
        name: of this experiment only; None means all.

    Raises:
        ExperimentNotFound: there is none of that name.
    """
    statement = select(experiment_revisions).order_by(experiment_revisions.c.number.desc()).limit(limit)
    if name is not None:
        check_possible(name)
        statement = statement.where(experiment_revisions.c.experiment == name)
    with database.read() as connection:
        revisions = [_revision(row) for row in connection.execute(statement)]
    if name is not None and not revisions:
        raise ExperimentNotFound(name)
    return revisions


def check_possible(name: str) -> None:
    """Check that an experiment can have a name before PostgreSQL is asked for it, which takes no NUL.

    Raises:
        ExperimentNotFound: none can.
    """
    if "\0" in name:
        raise ExperimentNotFound(name)


def revision_before(connection: Connection, revision: ExperimentRevision) -> ExperimentRevision | None:
    """Return the revision that a rollback returns to: before this one, or before that which this one put back."""
    statement = (
        select(experiment_revisions)
        .where(
            experiment_revisions.c.experiment == revision.name,
            experiment_revisions.c.number < (revision.restored or revision.number),
        )
        .order_by(experiment_revisions.c.number.desc())
        .limit(1)
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else _revision(row)


def revision_of(connection: Connection, name: str, number: int) -> ExperimentRevision | None:
    """Return a revision of an experiment, or None if it has none of that number."""
    statement = select(experiment_revisions).where(
        experiment_revisions.c.experiment == name, experiment_revisions.c.number == number
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else _revision(row)


def _revision(row: Row[Any]) -> ExperimentRevision:
    return ExperimentRevision(
        number=row.number,
        placed=from_json(row.content),
        action=Action(row.action),
        author=row.author,
        reason=row.reason,
        changed_at=datetime.fromtimestamp(row.changed_at_us / 1e6, UTC),
        restored=row.restored,
    )
