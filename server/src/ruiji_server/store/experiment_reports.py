"""Reports of experiments as they were published: the newest of each experiment are kept.

What a report says is the services' to know; here it is a text.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, delete, func, insert, select

from ruiji_server.domain.errors import ExperimentNotFound, InvalidArgument, Reason, ReportNotFound
from ruiji_server.store.engine import Database
from ruiji_server.store.experiments import check_possible, experiment, experiments_in
from ruiji_server.store.locks import own_experiments
from ruiji_server.store.schema import experiment_reports

KEPT_REPORTS: Final = 50
"""Of each experiment. A report tells all of its experiment up to then, so older ones are of no use but to see how the
figures moved. With 50, one a day covers seven weeks; of two variants each takes about 2.5 kB."""


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A report as it was published."""

    number: int
    """Over all experiments, in the order of publication."""
    experiment: str
    content: str
    """What it says."""
    author: str
    published_at: datetime
    """In UTC."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What came of publishing."""

    report: StoredReport
    replayed: bool
    """Whether it had been published before."""


def publish_report(
    database: Database,
    name: str,
    content: str,
    variants: Collection[str],
    *,
    author: str,
    request_id: str,
    now: datetime,
) -> Publication:
    """Keep a report, and let go of the experiment's oldest beyond `KEPT_REPORTS`.

    Args:
        database: the store.
        name: of the experiment.
        content: what the report says; the same report has the same text each time.
        variants: that it tells of.
        author: who publishes it; checked.
        request_id: a repeated call with the same one publishes nothing.
        now: aware.

    Raises:
        ExperimentNotFound: there is none of that name.
        InvalidArgument: the experiment has no such variant, or the request id was used for another report of it.
    """
    with database.write() as connection:
        # Publishing is rare: let repeated calls and the counting of old reports take turns.
        own_experiments(connection)
        _check_variants(connection, name, variants)
        before = _published(connection, name, request_id)
        if before is not None:
            if (before.content, before.author) != (content, author):
                raise InvalidArgument(
                    Reason.REQUEST_ID_REUSED,
                    f"request id {request_id!r} was used for another report of {name!r}; choose a new one for each",
                    field="request_id",
                )
            return Publication(before, replayed=True)
        row = {
            "experiment": name,
            "request_id": request_id,
            "content": content,
            "author": author,
            "published_at_us": round(now.timestamp() * 1e6),
        }
        statement = insert(experiment_reports).returning(experiment_reports)
        published = _report(connection.execute(statement, row).one())
        _forget_old(connection, name)
        return Publication(published, replayed=False)


def experiment_report(database: Database, name: str, number: int | None = None) -> StoredReport:
    """Return a report of an experiment.

    Args:
        database: the store.
        name: of the experiment.
        number: of the report; None for the latest.

    Raises:
        ExperimentNotFound: there is no such experiment.
        ReportNotFound: it has no such report, or none at all.
    """
    check_possible(name)
    statement = _newest_first(1).where(experiment_reports.c.experiment == name)
    if number is not None:
        statement = statement.where(experiment_reports.c.number == number)
    with database.read() as connection:
        row = connection.execute(statement).one_or_none()
    if row is not None:
        return _report(row)
    experiment(database, name)
    if number is None:
        raise ReportNotFound(
            Reason.EXPERIMENT_REPORT_NOT_FOUND,
            f"no report of experiment {name!r} was published; `ruiji experiment report {name} --publish` does",
            field="name",
        )
    raise ReportNotFound(
        Reason.EXPERIMENT_REPORT_NOT_FOUND,
        f"experiment {name!r} has no report {number}; the newest {KEPT_REPORTS} are kept",
        field="number",
    )


def list_reports(
    database: Database, limit: int, name: str | None = None, *, latest_only: bool = False
) -> list[StoredReport]:
    """Return reports, newest first.

    Args:
        database: the store.
        limit: how many at most.
        name: of this experiment only; None means all.
        latest_only: only the latest of each experiment.

    Raises:
        ExperimentNotFound: there is none of that name.
    """
    statement = _newest_first(limit)
    if name is not None:
        check_possible(name)
        statement = statement.where(experiment_reports.c.experiment == name)
    if latest_only:
        latest = select(func.max(experiment_reports.c.number)).group_by(experiment_reports.c.experiment)
        statement = statement.where(experiment_reports.c.number.in_(latest))
    with database.read() as connection:
        found = [_report(row) for row in connection.execute(statement)]
    if name is not None and not found:
        experiment(database, name)
    return found


def _check_variants(connection: Connection, name: str, variants: Collection[str]) -> None:
    known = experiments_in(connection).get(name)
    if known is None:
        raise ExperimentNotFound(name)
    names = [variant.name for variant in known.placed.experiment.variants]
    strangers = sorted(set(variants).difference(names))
    if strangers:
        raise InvalidArgument(
            Reason.EXPERIMENT_REPORT_INVALID,
            f"experiment {name!r} has the variants {', '.join(names)}, and the report is of {strangers[0][:64]!r}: was "
            "it made from the events of another installation?",
            field="report.variants",
        )


def _published(connection: Connection, name: str, request_id: str) -> StoredReport | None:
    statement = select(experiment_reports).where(
        experiment_reports.c.experiment == name, experiment_reports.c.request_id == request_id
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else _report(row)


def _forget_old(connection: Connection, name: str) -> None:
    this = experiment_reports.c.experiment == name
    number = experiment_reports.c.number
    first_old = select(number).where(this).order_by(number.desc()).offset(KEPT_REPORTS).limit(1).scalar_subquery()
    connection.execute(delete(experiment_reports).where(this, number <= first_old))


def _newest_first(limit: int) -> Select[Any]:
    return select(experiment_reports).order_by(experiment_reports.c.number.desc()).limit(limit)


def _report(row: Row[Any]) -> StoredReport:
    return StoredReport(
        number=row.number,
        experiment=row.experiment,
        content=row.content,
        author=row.author,
        published_at=datetime.fromtimestamp(row.published_at_us / 1e6, UTC),
    )
