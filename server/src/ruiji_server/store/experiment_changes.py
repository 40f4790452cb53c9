"""Changing experiments: each change is checked against all others and written as a revision, in one transaction.

Servers look for changes every second, and until then go on as before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from ruiji_experiments.definition.changes import check_change
from ruiji_experiments.definition.errors import ConflictError, DefinitionError
from ruiji_experiments.definition.layers import PlacedExperiment, place
from ruiji_experiments.definition.model import Experiment
from ruiji_experiments.definition.stored import to_json
from sqlalchemy import Connection, insert

from ruiji_server.domain.errors import (
    AlreadyExists,
    ChangedMeanwhile,
    ExperimentNotFound,
    InvalidArgument,
    NotReady,
    Reason,
)
from ruiji_server.store.encoders import EncoderState, lock_encoders
from ruiji_server.store.engine import Database
from ruiji_server.store.experiments import Action, ExperimentRevision, experiments_in, revision_before, revision_of
from ruiji_server.store.locks import own_experiments
from ruiji_server.store.schema import experiment_revisions

MAX_AUTHOR_CHARS: Final = 64
MAX_REASON_CHARS: Final = 1_000

Definition = Callable[[Experiment | None], Experiment]
"""Makes an experiment, knowing what is in force under its name; may raise `DefinitionError`."""


@dataclass(frozen=True, slots=True)
class Change:
    """Who changes an experiment, when and why; checked."""

    author: str
    reason: str
    at: datetime
    """In UTC."""

    def __post_init__(self) -> None:
        for field, text, limit in (
            ("author", self.author, MAX_AUTHOR_CHARS),
            ("reason", self.reason, MAX_REASON_CHARS),
        ):
            if not text.strip() or len(text) > limit or "\0" in text:
                raise InvalidArgument(
                    Reason.EXPERIMENT_CHANGE_UNEXPLAINED,
                    f"who changes an experiment says who and why: {field} has 1 to {limit:,} characters",
                    field=field,
                )


@dataclass(frozen=True, slots=True)
class Outcome:
    """An experiment after a change, and whether anything was written."""

    revision: ExperimentRevision
    changed: bool


def put_experiment(
    database: Database,
    name: str,
    definition: Definition,
    change: Change,
    published: Collection[str],
    *,
    expected_revision: int | None = None,
    validate_only: bool = False,
) -> Outcome:
    """Put an experiment; writes nothing if its definition is in force.

    Args:
        database: the store.
        name: the experiment's.
        definition: makes it.
        change: who, when, why.
        published: the encoders that have a generation.
        expected_revision: what must be in force, 0 for nothing; None for whatever is.
        validate_only: check it, and write nothing; the outcome's revision is then 0.

    Raises:
        InvalidArgument: it contradicts itself.
        AlreadyExists: there is one of that name, and there should be none.
        ChangedMeanwhile: another revision is in force than was expected.
        NotReady: it cannot be beside others, cannot change as it should, or names an encoder that cannot serve.
    """
    with database.write() as connection:
        known = _lock_experiments(connection)
        before = known.get(name)
        _check_expected(name, before, expected_revision)
        try:
            wanted = definition(None if before is None else before.placed.experiment)
            placed = _checked(connection, wanted, known, change.at, published)
        except (DefinitionError, ConflictError) as error:
            raise _failure(error, field="experiment") from error
        if before is not None and before.placed == placed:
            return Outcome(before, changed=False)
        if validate_only:
            return Outcome(_revision(0, placed, Action.PUT, change), changed=False)
        return Outcome(_append(connection, placed, Action.PUT, change), changed=True)


def roll_back_experiment(
    database: Database,
    name: str,
    change: Change,
    published: Collection[str],
    *,
    from_revision: int,
    to_revision: int | None = None,
) -> Outcome:
    """Put back the definition that an experiment had before.

    Args:
        database: the store.
        name: the experiment's.
        change: who, when, why.
        published: the encoders that have a generation.
        from_revision: what is in force, and is undone. If it was undone already, nothing is done.
        to_revision: what is put back; by default what was before, and after a rollback before what that put back.

    Raises:
        ExperimentNotFound: there is none of that name.
        ChangedMeanwhile: another revision is in force.
        NotReady: there is nothing before, or what there is cannot be put back.
        InvalidArgument: `to_revision` is none of the experiment, or its end has passed.
    """
    with database.write() as connection:
        known = _lock_experiments(connection)
        current = _of(known, name)
        if current.number != from_revision:
            if _was_undone(connection, current, from_revision, to_revision):
                return Outcome(current, changed=False)
            _check_expected(name, current, from_revision)
        restored = _restored(connection, current, to_revision)
        try:
            placed = _checked(connection, restored.placed.experiment, known, change.at, published)
        except (DefinitionError, ConflictError) as error:
            raise _failure(error, field="to_revision") from error
        return Outcome(_append(connection, placed, Action.ROLLED_BACK, change, restored.number), changed=True)


def stop_experiment(database: Database, name: str, change: Change) -> Outcome:
    """End an experiment now, or before it begins; does nothing if it has ended.

    Raises:
        ExperimentNotFound: there is none of that name.
    """
    with database.write() as connection:
        current = _of(_lock_experiments(connection), name)
        experiment = current.placed.experiment
        end = max(change.at, experiment.start)
        if experiment.end is not None and experiment.end <= end:
            return Outcome(current, changed=False)
        # A ramp's steps lie before the end; who is in now takes up the buckets until now and nobody the others.
        steps = tuple(step for step in experiment.ramp if step.at < end)
        placed = place(replace(experiment, end=end, ramp=steps), (), current.placed)
        return Outcome(_append(connection, placed, Action.STOPPED, change), changed=True)


def _checked(
    connection: Connection,
    experiment: Experiment,
    known: Mapping[str, ExperimentRevision],
    now: datetime,
    published: Collection[str],
) -> PlacedExperiment:
    before = known.get(experiment.name)
    check_change(None if before is None else before.placed.experiment, experiment, now)
    _check_encoders(connection, experiment, published)
    others = [revision.placed for name, revision in known.items() if name != experiment.name]
    return place(experiment, others, None if before is None else before.placed)


def _check_encoders(connection: Connection, experiment: Experiment, published: Collection[str]) -> None:
    if not experiment.encoder_ids:
        return
    registered = lock_encoders(connection)
    for place_, variant in enumerate(experiment.variants):
        encoder_id = variant.settings.encoder_id
        if encoder_id is None:
            continue
        known = registered.get(encoder_id)
        if known is None:
            reason, what = Reason.ENCODER_UNKNOWN, "is not registered; `ruiji encoder register` makes it known"
        elif known.state == EncoderState.RETIRED:
            reason, what = Reason.ENCODER_RETIRED, "is retired; `ruiji encoder register --revive` makes it active again"
        elif encoder_id not in published:
            reason, what = Reason.ENCODER_WITHOUT_GENERATION, "has no generation; `ruiji index build` makes one"
        else:
            continue
        raise NotReady(reason, f"encoder {encoder_id!r} {what}", field=f"experiment.variants[{place_}].encoder_id")


def _lock_experiments(connection: Connection) -> dict[str, ExperimentRevision]:
    own_experiments(connection)
    return experiments_in(connection)


def _of(known: Mapping[str, ExperimentRevision], name: str) -> ExperimentRevision:
    if name not in known:
        raise ExperimentNotFound(name)
    return known[name]


def _check_expected(name: str, current: ExperimentRevision | None, expected: int | None) -> None:
    number = 0 if current is None else current.number
    if expected is None or number == expected:
        return
    if expected == 0:
        raise AlreadyExists(
            Reason.EXPERIMENT_EXISTS,
            f"there is an experiment {name!r}, put as revision {number}; say that it is to be replaced, or take "
            "another name",
            field="experiment.name",
        )
    raise ChangedMeanwhile(
        Reason.EXPERIMENT_CHANGED,
        f"revision {number} of experiment {name!r} is in force, not {expected}: somebody else changed it. Read it "
        "again, and decide anew",
    )


def _was_undone(
    connection: Connection, current: ExperimentRevision, from_revision: int, to_revision: int | None
) -> bool:
    """Return whether the revision in force is the answer to the same rollback, asked before."""
    undone = revision_of(connection, current.name, from_revision)
    if undone is None or current.action != Action.ROLLED_BACK:
        return False
    wanted = revision_before(connection, undone) if to_revision is None else None
    target = to_revision if wanted is None else wanted.number
    last_before = revision_before(connection, replace(current, restored=None))
    return current.restored == target and last_before is not None and last_before.number == from_revision


def _restored(connection: Connection, current: ExperimentRevision, to_revision: int | None) -> ExperimentRevision:
    if to_revision is None:
        before = revision_before(connection, current)
        if before is None:
            raise NotReady(
                Reason.EXPERIMENT_NOTHING_BEFORE,
                f"experiment {current.name!r} had no definition before; `ruiji experiment stop` ends it",
            )
        return before
    chosen = revision_of(connection, current.name, to_revision)
    if chosen is None:
        raise InvalidArgument(
            Reason.EXPERIMENT_REVISION_UNKNOWN,
            f"experiment {current.name!r} has no revision {to_revision}; `ruiji experiment history` shows them",
            field="to_revision",
        )
    return chosen


def _failure(error: DefinitionError | ConflictError, field: str) -> InvalidArgument | NotReady:
    path = f"{field}.{error.field}" if field == "experiment" and error.field else field
    if isinstance(error, DefinitionError):
        return InvalidArgument(Reason.EXPERIMENT_INVALID, error.message, field=path)
    return NotReady(Reason(error.kind), error.message, field=path)


def _append(
    connection: Connection, placed: PlacedExperiment, action: Action, change: Change, restored: int | None = None
) -> ExperimentRevision:
    row = {
        "experiment": placed.experiment.name,
        "content": to_json(placed),
        "action": str(action),
        "author": change.author,
        "reason": change.reason,
        "changed_at_us": round(change.at.timestamp() * 1e6),
        "restored": restored,
    }
    statement = insert(experiment_revisions).returning(experiment_revisions.c.number)
    number = connection.execute(statement, row).scalar_one()
    return _revision(number, placed, action, change, restored)


def _revision(
    number: int, placed: PlacedExperiment, action: Action, change: Change, restored: int | None = None
) -> ExperimentRevision:
    return ExperimentRevision(number, placed, action, change.author, change.reason, change.at, restored)
