"""From events to sums by unit: who was in which variant, what they saw, tapped and bought, and who is left out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ruiji_experiments.errors import LogError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

    from ruiji_experiments.analysis.ratio import Floats
    from ruiji_experiments.analysis.settings import AnalysisSettings

COUNTED = ("units", "impressions", "taps", "purchases")
"""What a unit's sums are of; `units` is 1 for each."""


@dataclass(frozen=True, slots=True)
class Span:
    """When, and whose impressions."""

    start: datetime
    """First moment of the experiment."""
    end: datetime
    """First moment after it."""
    source: str
    """`client` or `server`."""


@dataclass(frozen=True, slots=True)
class UnitSums:
    """What units did, one value for each unit and column."""

    variants: tuple[str, ...]
    """In alphabetical order."""
    variant: NDArray[np.int64]
    """Shape (units,): row of `variants`."""
    during: Mapping[str, Floats]
    """By name of `COUNTED`, shape (units,), float64."""
    before: Mapping[str, Floats]
    """The same in the pre-period; zeros for units that were not there."""

    def of(self, variant: str) -> NDArray[np.bool_]:
        """Return which units are a variant's, shape (units,)."""
        return np.asarray(self.variant == self.variants.index(variant))


@dataclass(frozen=True, slots=True)
class DailySums:
    """What units did by day, in rows of unit and day."""

    days: tuple[date, ...]
    """In order, without gaps where somebody was there."""
    day: NDArray[np.int64]
    """Shape (rows,): row of `days`."""
    unit: NDArray[np.int64]
    """Shape (rows,): row of `UnitSums`."""
    sums: Mapping[str, Floats]
    """By name, shape (rows,), float64."""


class ExperimentLog:
    """The events of one experiment, as tables of requests and units in a DuckDB connection."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, settings: AnalysisSettings, *, interleaved: bool = False
    ) -> None:
        """Read the events.

        Args:
            connection: with the events' tables.
            settings: what is asked.
            interleaved: whether the experiment is meant to be; its requests then have an empty variant.

        Raises:
            LogError: the log holds nothing of the experiment in the given time, or an experiment of the other kind.
        """
        self._connection = connection
        self._settings = settings
        values: dict[str, Any] = {
            "experiment": settings.experiment,
            "start": settings.start,
            "end": settings.end,
            "pre_days": settings.pre_period_days,
            "window_days": settings.purchase_window_days,
            "source": settings.source,
        }
        script = files("ruiji_experiments.analysis").joinpath("requests.sql").read_text(encoding="utf-8")
        for statement in connection.extract_statements(script):
            wanted = {name: values[name] for name in statement.named_parameters}
            connection.execute(statement, wanted)
        [(members,)] = self._rows("SELECT count(*) FROM members")
        if not members:
            raise LogError(self._nothing())
        self._check_kind(interleaved=interleaved)
        self._leave_out_machines()
        [(start_us, end_us, source)] = self._rows('SELECT epoch_us(start), epoch_us("end"), source FROM span')
        self.span = Span(_moment(start_us), _moment(end_us), source)

    def assigned_units(self) -> dict[str, int]:
        """Return how many units each variant was given, machines included."""
        return dict(self._rows("SELECT variant, count(DISTINCT unit) FROM assigned GROUP BY variant ORDER BY variant"))

    def left_out(self) -> dict[str, int]:
        """Return what was read and not counted, by reason; reasons that did not occur are 0."""
        counts = self._rows(
            """
            SELECT (SELECT count(*) FROM members WHERE forced),
              (SELECT count(*) FROM members WHERE unit IS NULL),
              (SELECT count(*) FROM several),
              (SELECT count(*) FROM machines),
              (SELECT count(*) FROM assigned ANTI JOIN requests USING (request_id)),
              (SELECT count(DISTINCT (request_id, item_id)) FROM taps SEMI JOIN assigned USING (request_id)
                 ANTI JOIN shown USING (request_id, item_id)),
              (SELECT count(*) FROM unknown)
            """
        )[0]
        return dict(
            zip(
                (
                    "requests whose variant was forced",
                    "requests without a unit",
                    "units that saw several variants",
                    f"units with more than {self._settings.most_requests_per_day} requests on a day",
                    f"requests of which the {self.span.source} logged no item",
                    "taps on items that were not shown",
                    "taps and purchases of requests that the log does not know (of all experiments)",
                ),
                counts,
                strict=True,
            )
        )

    def unit_sums(self) -> UnitSums:
        """Return each unit's sums."""
        columns = self._columns(
            """
            WITH during AS (
              SELECT unit, variant, 1 AS units, sum(impressions) AS impressions, sum(taps) AS taps,
                sum(purchases) AS purchases
              FROM counted GROUP BY unit, variant
            ), before AS (
              SELECT unit, 1 AS units, sum(impressions) AS impressions, sum(taps) AS taps, sum(purchases) AS purchases
              FROM requests, span WHERE time < start GROUP BY unit
            )
            SELECT during.*, before.units AS before_units, before.impressions AS before_impressions,
              before.taps AS before_taps, before.purchases AS before_purchases
            FROM during LEFT JOIN before USING (unit) ORDER BY unit
            """
        )
        variants, codes = np.unique(columns["variant"].astype(str), return_inverse=True)
        return UnitSums(
            variants=tuple(variants.tolist()),
            variant=codes.astype(np.int64),
            during={name: floats(columns[name]) for name in COUNTED},
            before={name: floats(columns[f"before_{name}"]) for name in COUNTED},
        )

    def daily_sums(self) -> DailySums:
        """Return each unit's sums by day (UTC), in the order of `unit_sums`."""
        columns = self._columns(
            """
            SELECT dense_rank() OVER (ORDER BY unit) - 1 AS unit, CAST(time AS DATE) AS day,
              sum(impressions) AS impressions, sum(taps) AS taps, sum(purchases) AS purchases
            FROM counted GROUP BY counted.unit, day ORDER BY day, counted.unit
            """
        )
        days, day = np.unique(columns["day"].astype("datetime64[D]"), return_inverse=True)
        sums = {name: floats(columns[name]) for name in COUNTED if name != "units"}
        return DailySums(tuple(days.tolist()), day.astype(np.int64), columns["unit"].astype(np.int64), sums)

    def guardrail_requests(self) -> dict[str, NDArray[Any]]:
        """Return what the server logged of each request: `variant`, `unit` (number), `latency_us`, `short`, `failed`.

        NaN stands for what is not known. Where the server logged nothing, what clients logged is taken, but not for
        short pages: a client tells of what was on the screen.
        """
        return self._columns(
            """
            SELECT assigned.variant, dense_rank() OVER (ORDER BY assigned.unit) AS unit,
              CAST(min(latency_us) AS DOUBLE) AS latency_us,
              CAST(bool_or(len(items) < page_size AND NOT exhausted) FILTER (source = 'server') AS DOUBLE) AS short,
              CAST(bool_or(coalesce(error, '') <> '') AS DOUBLE) AS failed
            FROM impressions JOIN assigned USING (request_id) ANTI JOIN machines ON assigned.unit = machines.unit
            WHERE source = CASE WHEN EXISTS (SELECT 1 FROM impressions AS i SEMI JOIN assigned USING (request_id)
                                             WHERE i.source = 'server') THEN 'server' ELSE 'client' END
            GROUP BY request_id, assigned.variant, assigned.unit
            """
        )

    def segment_sums(self, segment_of_query_item: str) -> dict[str, NDArray[Any]]:
        """Return sums by unit and segment: `segment`, `variant`, and `COUNTED`.

        Args:
            segment_of_query_item: name of a table with the columns `item_id` and `segment`.
        """
        return self._columns(
            f"""
            SELECT coalesce(segment, 'unknown') AS segment, variant, unit, 1 AS units, sum(impressions) AS impressions,
              sum(taps) AS taps, sum(purchases) AS purchases
            FROM counted LEFT JOIN {segment_of_query_item} AS segments ON counted.query_item_id = segments.item_id
            GROUP BY ALL ORDER BY segment, unit
            """  # noqa: S608  (a name of ours)
        )

    def _check_kind(self, *, interleaved: bool) -> None:
        [(drawn,)] = self._rows("SELECT count(*) FROM members WHERE variant = '' AND NOT forced")
        name = self._settings.experiment
        if drawn and not interleaved:
            raise LogError(
                f"the experiment {name!r} is interleaved: each page was drawn from both variants, so no unit has one "
                "of them and there is no rate to compare. `ruiji experiment report` tells which variant was preferred"
            )
        if interleaved and not drawn:
            raise LogError(f"the log holds no interleaved page of the experiment {name!r} in the time asked for")

    def _leave_out_machines(self) -> None:
        self._connection.execute(
            "CREATE TEMP TABLE machines AS SELECT DISTINCT unit FROM "
            "(SELECT unit FROM assigned GROUP BY unit, CAST(time AS DATE) HAVING count(*) > $most)",
            {"most": self._settings.most_requests_per_day},
        )
        self._connection.execute(
            "CREATE TEMP TABLE counted AS "
            "SELECT assigned.*, query_item_id, coalesce(impressions, 0) AS impressions, coalesce(taps, 0) AS taps, "
            "coalesce(purchases, 0) AS purchases "
            "FROM assigned ANTI JOIN machines USING (unit) LEFT JOIN requests USING (request_id)"
        )

    def _nothing(self) -> str:
        known = self._rows(
            "SELECT DISTINCT assigned.experiment FROM impressions, UNNEST(experiments) AS one(assigned) ORDER BY 1"
        )
        others = ", ".join(name for (name,) in known) or "none"
        return (
            f"the log holds no request of the experiment {self._settings.experiment!r} in the time asked for; "
            f"it has these experiments: {others}"
        )

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query).fetchall()

    def _columns(self, query: str) -> dict[str, NDArray[Any]]:
        columns = self._connection.execute(query).fetchnumpy()
        return {name: _plain(column) for name, column in columns.items()}


def _moment(time_us: int) -> datetime:
    # DuckDB makes datetimes with pytz, which nothing else here needs.
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)


def _plain(column: NDArray[Any]) -> NDArray[Any]:
    # Columns with NULLs come masked; here only numbers have any.
    if isinstance(column, np.ma.MaskedArray):
        filled: NDArray[Any] = np.ma.filled(column.astype(np.float64), np.nan)  # type: ignore[no-untyped-call]
        return filled
    return column


def floats(column: NDArray[Any]) -> Floats:
    """Return a column of sums as float64, 0 for null."""
    # A unit without a past has sums of nothing.
    return np.nan_to_num(column.astype(np.float64))
