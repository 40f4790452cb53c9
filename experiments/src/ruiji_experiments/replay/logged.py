"""Pages out of the log whose order is known by chance: flat arrays, one element for each item that was shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from ruiji_events.queries import EventQueries
from ruiji_events.storage import EventFolder

from ruiji_experiments.errors import LogError

if TYPE_CHECKING:
    from ruiji_experiments.analysis.ratio import Floats

FEATURES = ("cosine", "price_ratio", "category_similarity")
"""What an item was ranked by, as far as the log has it; the price ratio is max / min, at least 1."""


@dataclass(frozen=True, slots=True)
class LoggedPages:
    """Every item of every page, pages together, by position. All arrays have the shape (items,)."""

    page: NDArray[np.int64]
    """Number of the page, from 0 without gaps."""
    unit: NDArray[np.int64]
    """Number of the unit that saw it; a page without one is a unit of its own."""
    item: NDArray[np.str_]
    """Id of the item."""
    position: NDArray[np.int64]
    """Where it stood: 1 is the first."""
    propensity: Floats
    """Probability that it came to stand there."""
    tapped: Floats
    """1 or 0."""
    features: Mapping[str, Floats]
    """By name of `FEATURES`; NaN where it was not logged."""

    @property
    def pages(self) -> int:
        """How many."""
        return int(self.page[-1]) + 1 if len(self.page) else 0


def read_pages(
    events: str, *, start: datetime | None = None, end: datetime | None = None
) -> tuple[LoggedPages, dict[str, int]]:
    """Read the pages that the server logged with propensities.

    Args:
        events: folder or URL of the events' tables.
        start: first moment; by default the log's.
        end: first moment after it.

    Returns:
        The pages, and what was left out, by reason.

    Raises:
        LogError: no page has propensities.
        PartitionError: the events cannot be read (`ruiji_events.errors`).
    """
    first = start.astimezone(UTC).date() if start else None
    last = end.astimezone(UTC).date() if end else None
    with EventQueries(EventFolder(events), first=first, last=last) as queries:
        connection = queries.connection
        connection.execute("SET enable_progress_bar = false")
        connection.execute(_SERVED, {"start": start, "end": end})
        [(pages, interleaved, without, partly)] = connection.execute(_LEFT_OUT).fetchall()
        left_out = {
            "interleaved pages, whose order is that of no one ranking": interleaved,
            "pages without propensities": without,
            "pages with items that lack one": partly,
        }
        if pages == sum(left_out.values()):
            raise LogError(
                f"none of the {pages} pages that the server logged in {events} has propensities; let a share of "
                "requests explore, and log impressions"
            )
        columns = {name: _plain(column) for name, column in connection.execute(_ITEMS).fetchnumpy().items()}
    return (
        LoggedPages(
            page=columns["page"].astype(np.int64),
            unit=np.unique(columns["unit"].astype(str), return_inverse=True)[1].astype(np.int64),
            item=columns["item_id"].astype(str),
            position=columns["position"].astype(np.int64),
            propensity=columns["propensity"].astype(np.float64),
            tapped=columns["tapped"].astype(np.float64),
            features={name: columns[name].astype(np.float64) for name in FEATURES},
        ),
        left_out,
    )


_SERVED = """
CREATE TEMP TABLE served AS
SELECT request_id, any_value(unit) AS unit, any_value(items) AS items,
  bool_or(list_contains(list_transform(experiments, lambda one: one.variant), '')) AS interleaved
FROM impressions
WHERE source = 'server' AND len(items) > 0 AND ($start IS NULL OR time >= $start) AND ($end IS NULL OR time < $end)
GROUP BY request_id
"""

_KNOWN = "len(list_filter(items, lambda item: item.propensity IS NOT NULL))"

_LEFT_OUT = f"""
SELECT count(*), count(*) FILTER (WHERE interleaved), count(*) FILTER (WHERE NOT interleaved AND {_KNOWN} = 0),
  count(*) FILTER (WHERE NOT interleaved AND {_KNOWN} BETWEEN 1 AND len(items) - 1)
FROM served
"""  # noqa: S608  (our own words)

_ITEMS = f"""
WITH pages AS (
  SELECT *, row_number() OVER (ORDER BY request_id) - 1 AS page FROM served
  WHERE NOT interleaved AND {_KNOWN} = len(items)
), tapped AS (SELECT DISTINCT request_id, item_id FROM taps)
SELECT page, coalesce(pages.unit, pages.request_id) AS unit, item.item_id, item.position, item.propensity,
  CAST(tapped.item_id IS NOT NULL AS DOUBLE) AS tapped, item.cosine, item.price_ratio, item.category_similarity
FROM pages CROSS JOIN UNNEST(items) AS one(item)
  LEFT JOIN tapped ON tapped.request_id = pages.request_id AND tapped.item_id = item.item_id
ORDER BY page, item.position
"""  # noqa: S608  (our own words)


def _plain(column: NDArray[Any]) -> NDArray[Any]:
    if isinstance(column, np.ma.MaskedArray):
        filled: NDArray[Any] = np.ma.filled(column.astype(np.float64), np.nan)  # type: ignore[no-untyped-call]
        return filled
    return column
