"""The same comparison in parts of the traffic, allowing for their number: the more parts, the more chance findings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from ruiji_experiments.analysis.lifts import LEAST_EVENTS, tested
from ruiji_experiments.analysis.multiplicity import corrected
from ruiji_experiments.analysis.ratio import lift, ratio_estimate
from ruiji_experiments.analysis.results import METRICS, Metric, SegmentLift, TestedLift
from ruiji_experiments.errors import LogError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ruiji_experiments.analysis.settings import AnalysisSettings

_READERS = {".parquet": "read_parquet", ".csv": "read_csv", ".tsv": "read_csv", ".jsonl": "read_json"}

_ID_COLUMNS = ("item_id", "id")

_ROOTS = "SELECT item_id, trim(string_split(CAST(value AS VARCHAR), '>')[1]) AS segment FROM items"
_PREFIXES = """
SELECT item_id, CASE {cases} WHEN path IS NOT NULL THEN 'other categories' END AS segment
FROM (SELECT item_id, list_transform(string_split(CAST(value AS VARCHAR), '>'), lambda name: trim(name)) AS path
      FROM items)
"""
_BANDS = """
SELECT item_id, concat(band, ': ', min(value) OVER same_band, ' to ', max(value) OVER same_band) AS segment
FROM (SELECT *, ntile({bands}) OVER (ORDER BY value) AS band FROM items WHERE value IS NOT NULL)
WINDOW same_band AS (PARTITION BY band)
"""


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Divides requests by the item that was looked at."""

    name: str
    """In the report, such as `category`."""
    items: Path
    """Item table with a column `item_id`, or `id` as in import tables; .parquet, .csv, .tsv or .jsonl."""
    column: str
    """That divides: text as it stands (of `A > B > C`, the root), numbers by `bands`."""
    bands: int = 0
    """Equal parts of a number, such as 4 for quartiles of the price; 0 for text."""
    prefixes: tuple[tuple[str, ...], ...] = ()
    """Beginnings of category paths that divide instead of the root; the first that fits counts."""

    def load(self, connection: duckdb.DuckDBPyConnection) -> str:
        """Make a table of `item_id` and `segment`; return its name.

        Raises:
            SettingsError: the file is of no known kind or lacks a column.
        """
        reader = _READERS.get(self.items.suffix)
        if reader is None:
            raise SettingsError(f"{self.items} must end in one of {', '.join(_READERS)}")
        table, column = _quoted(f"segments by {self.name}"), _quoted(self.column)
        file = str(self.items).replace("'", "''")
        try:
            described = connection.execute(f"DESCRIBE SELECT * FROM {reader}('{file}')").fetchall()  # noqa: S608  (quoted)
            item_id = next((name for name in _ID_COLUMNS if name in {row[0] for row in described}), _ID_COLUMNS[0])
            connection.execute(
                f"CREATE OR REPLACE TEMP TABLE {table} AS WITH items AS "  # noqa: S608  (names are quoted)
                f"(SELECT DISTINCT ON (item_id) {item_id} AS item_id, {column} AS value FROM {reader}('{file}')) "
                + self._division()
            )
        except duckdb.BinderException as error:
            raise SettingsError(f"{self.items} needs the columns item_id (or id) and {self.column}: {error}") from error
        except (duckdb.InvalidInputException, duckdb.IOException) as error:
            raise LogError(f"{self.items} cannot be read: {error}") from error
        return table

    def _division(self) -> str:
        if self.prefixes:
            cases = " ".join(
                f"WHEN path[1:{len(prefix)}] = [{', '.join(map(_text, prefix))}] THEN {_text(' > '.join(prefix))}"
                for prefix in self.prefixes
            )
            return _PREFIXES.format(cases=cases)
        return _BANDS.format(bands=int(self.bands)) if self.bands else _ROOTS


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def segment_lifts(
    dimension: str, columns: Mapping[str, NDArray[Any]], variants: Sequence[str], settings: AnalysisSettings
) -> list[SegmentLift]:
    """Compare each variant with the control in each segment.

    Args:
        dimension: what divides.
        columns: of `ExperimentLog.segment_sums`.
        variants: without the control.
        settings: control, confidence, correction.
    """
    segment, variant = (np.asarray(columns[name]).astype(str) for name in ("segment", "variant"))
    rows: list[SegmentLift] = []
    for metric in METRICS:
        of_metric = [
            _one(label, name, metric, columns, segment == label, variant, settings)
            for label in np.unique(segment).tolist()
            for name in variants
        ]
        p_values = corrected([None if row[1] is None else row[1].p_value for row in of_metric], settings.correction)
        rows.extend(
            SegmentLift(dimension, label, name, metric.name, units, plain, p_value)
            for ((label, name, units), plain), p_value in zip(of_metric, p_values, strict=True)
        )
    return rows


def _one(
    label: str,
    name: str,
    metric: Metric,
    columns: Mapping[str, NDArray[Any]],
    inside: NDArray[np.bool_],
    variant: NDArray[np.str_],
    settings: AnalysisSettings,
) -> tuple[tuple[str, str, int], TestedLift | None]:
    arms = [inside & (variant == side) for side in (settings.control, name)]
    key = (label, name, int(sum(arm.sum() for arm in arms)))
    sums = [
        [np.asarray(columns[part], np.float64)[arm] for part in (metric.numerator, metric.denominator)] for arm in arms
    ]
    if min(numerators.sum() for numerators, _ in sums) < LEAST_EVENTS:
        return key, None
    return key, tested(lift(*(ratio_estimate(*arm) for arm in sums)), settings.confidence)
