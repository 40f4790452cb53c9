"""From events to credits by unit: which variant picked what each unit saw, tapped and bought."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from ruiji_events.queries import EventQueries
from ruiji_events.storage import EventFolder

from ruiji_experiments.analysis.counts import ExperimentLog, floats
from ruiji_experiments.errors import LogError, SettingsError
from ruiji_experiments.interleaving.results import Team

if TYPE_CHECKING:
    import duckdb

    from ruiji_experiments.analysis.ratio import Floats
    from ruiji_experiments.analysis.settings import AnalysisSettings


@dataclass(frozen=True, slots=True)
class Credits:
    """What units did with either team's items, shape (units,) each, float64."""

    control: Floats
    treatment: Floats


@dataclass(frozen=True, slots=True)
class DailyCredits:
    """What units tapped by day, in rows of unit and day."""

    days: tuple[date, ...]
    """In order."""
    day: NDArray[np.int64]
    """Shape (rows,): row of `days`."""
    unit: NDArray[np.int64]
    """Shape (rows,): row of `Credits`."""
    taps: Credits
    """Shape (rows,) each."""


def is_interleaved(events: str, experiment: str) -> bool:
    """Return whether the log has an interleaved page of an experiment.

    Args:
        events: folder or URL of the events' tables.
        experiment: its name.

    Raises:
        PartitionError: the events cannot be read (`ruiji_events.errors`).
    """
    found = "SELECT 1 FROM impressions, UNNEST(experiments) AS one(e) WHERE e.experiment = $name AND e.variant = ''"
    with EventQueries(EventFolder(events)) as queries:
        return bool(queries.connection.execute(f"{found} LIMIT 1", {"name": experiment}).fetchall())


class InterleavedLog:
    """The events of one interleaved experiment, as a table of shown items in a DuckDB connection.

    An item's team is taken from whichever impression of its request has it, the caller's or the server's own.

    Attributes:
        log: what both kinds of experiments have.
        control: name of the variant that the other is compared with.
        treatment: name of the other.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, settings: AnalysisSettings) -> None:
        """Read the events.

        Raises:
            LogError: the log holds nothing of the experiment in the given time, or it is not interleaved.
            SettingsError: its variants are not those that were named.
        """
        self.log = ExperimentLog(connection, settings, interleaved=True)
        self._connection = connection
        connection.execute(_PICKED)
        connection.execute(_CREDITED)
        self.control, self.treatment = self._names(settings)
        self._named = {"control": self.control, "treatment": self.treatment}

    def sizes(self) -> tuple[int, int, int]:
        """Return how many units, pages and items were counted."""
        counts = "SELECT count(DISTINCT unit), count(DISTINCT request_id), count(*) FROM credited"
        [(units, pages, items)] = self._connection.execute(counts).fetchall()
        return units, pages, items

    def teams(self) -> tuple[Team, Team]:
        """Return what each variant had of the pages, the control first."""
        found = {name: Team(name, *rest) for name, *rest in self._connection.execute(_TEAMS).fetchall()}
        control, treatment = (found.get(name, Team(name, 0, 0, 0, 0)) for name in (self.control, self.treatment))
        return control, treatment

    def credits(self, event: str) -> Credits:
        """Return each unit's credits; `event` is `taps` or `purchases`."""
        columns = self._columns(f"SELECT {_sums(event)} FROM credited GROUP BY unit ORDER BY unit")  # noqa: S608
        return Credits(floats(columns["control"]), floats(columns["treatment"]))

    def daily_taps(self) -> DailyCredits:
        """Return each unit's taps by day (UTC), in the order of `credits`."""
        columns = self._columns(
            f"""
            SELECT dense_rank() OVER (ORDER BY unit) - 1 AS unit, CAST(time AS DATE) AS day, {_sums("taps")}
            FROM credited GROUP BY credited.unit, day ORDER BY day, credited.unit
            """  # noqa: S608  (our own words)
        )
        days, day = np.unique(columns["day"].astype("datetime64[D]"), return_inverse=True)
        taps = Credits(floats(columns["control"]), floats(columns["treatment"]))
        return DailyCredits(tuple(days.tolist()), day.astype(np.int64), columns["unit"].astype(np.int64), taps)

    def left_out(self) -> dict[str, int]:
        """Return what was read and not counted, by reason."""
        counts = "SELECT count(*), coalesce(sum(taps), 0) FROM credited WHERE team IS NULL"
        [(items, taps)] = self._connection.execute(counts).fetchall()
        return self.log.left_out() | {
            "items without a team (a variant had no more, or no log says whose they are)": items,
            "taps on items without a team": int(taps),
        }

    def _names(self, settings: AnalysisSettings) -> tuple[str, str]:
        there = [name for (name,) in self._connection.execute(_NAMES).fetchall()]
        names = sorted(settings.shares) or there
        strangers = sorted(set(there) - set(names))
        if strangers:
            raise SettingsError(f"the log has teams that are no variants of the definition: {', '.join(strangers)}")
        if not there:
            raise LogError(
                f"no impression of {settings.experiment!r} says which variant picked which item: have callers send "
                "`SimilarItem.team` along, as `impression_event` does, or serve with --log-impressions"
            )
        if settings.control not in names:
            raise SettingsError(f"the control {settings.control!r} is none of {', '.join(names)}; name it by --control")
        if len(names) != 2:
            raise SettingsError(
                f"an interleaved experiment has two variants, and the log has items of {', '.join(names)}; give its "
                "--definition"
            )
        [treatment] = (name for name in names if name != settings.control)
        return settings.control, treatment

    def _columns(self, query: str) -> dict[str, NDArray[Any]]:
        return self._connection.execute(query, self._named).fetchnumpy()


_PICKED = """
CREATE TEMP TABLE picked AS
SELECT request_id, item.item_id, any_value(item.team) AS team, min(item.position) AS position
FROM impressions SEMI JOIN counted USING (request_id), UNNEST(items) AS one(item)
WHERE item.team IS NOT NULL
GROUP BY request_id, item.item_id HAVING count(DISTINCT item.team) = 1
"""

_CREDITED = """
CREATE TEMP TABLE credited AS
WITH purchases_of AS (SELECT request_id, item_id, count(*) AS purchases FROM bought GROUP BY ALL)
SELECT counted.unit, counted.time, request_id, shown.item_id, team, position,
  CAST(tapped.item_id IS NOT NULL AS INTEGER) AS taps, coalesce(purchases_of.purchases, 0) AS purchases
FROM counted JOIN shown USING (request_id)
  LEFT JOIN picked USING (request_id, item_id)
  LEFT JOIN tapped USING (request_id, item_id)
  LEFT JOIN purchases_of USING (request_id, item_id)
"""

_NAMES = "SELECT DISTINCT team FROM picked ORDER BY team"

_TEAMS = """
SELECT team, count(*) FILTER (position = 1), count(*), sum(taps), sum(purchases)
FROM credited WHERE team IS NOT NULL GROUP BY team
"""


def _sums(event: str) -> str:
    return ", ".join(
        f"coalesce(sum({event}) FILTER (team = ${name}), 0) AS {name}" for name in ("control", "treatment")
    )
