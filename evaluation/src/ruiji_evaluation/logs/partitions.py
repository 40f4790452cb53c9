"""Reading what servers logged: the partitions of impressions and taps, as the requests that evaluation takes.

Of one request, what was seen (source `client`) counts and not what was answered (`server`); without the first, the
second. What was seen in several parts is put together. Taps count up to the day after, for a page may be open over
midnight.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ruiji_events.errors import RuijiEventsError
from ruiji_events.queries import EventQueries

from ruiji_evaluation.errors import LogError
from ruiji_evaluation.logs.schema import Request, Shown, Tap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ruiji_events.storage import EventFolder

_TAP_DAYS = timedelta(days=1)

_IMPRESSIONS = """
    SELECT request_id, time, query_item_id, source, unit, encoder_id, error, experiments,
           [item.item_id FOR item IN items] AS item_ids, [item.position FOR item IN items] AS positions
    FROM impressions
    WHERE CAST(time AS DATE) BETWEEN $first AND $last
    ORDER BY request_id, source, time, event_id
"""
# In this order `client` stands before `server`, and parts that were seen stand as they were.

_TAPS = """
    SELECT request_id, item_id, min(time) AS time
    FROM taps
    GROUP BY request_id, item_id
    ORDER BY request_id, time, item_id
"""


@dataclass(frozen=True, slots=True)
class LoggedRequests:
    """Requests of some days."""

    requests: tuple[Request, ...]
    """Ordered by their ids. Each has shown something."""
    left_out: Mapping[str, int]
    """What was read and is not among them, by reason."""


def read_partitions(folder: EventFolder, first: date, last: date) -> LoggedRequests:
    """Read the requests of some days, with their taps.

    Args:
        folder: the partitions.
        first: the first day (UTC) of requests.
        last: the last day.

    Raises:
        LogError: there is no impression of these days, or a file is damaged.
    """
    try:
        with EventQueries(folder, first=first, last=last + _TAP_DAYS) as events:
            # By Arrow, since DuckDB itself gives Python no times with a zone unless pytz is there.
            impressions = events.sql(_IMPRESSIONS, {"first": first, "last": last}).to_arrow_table().to_pylist()
            taps: dict[str, list[Tap]] = defaultdict(list)
            for tap in events.sql(_TAPS).to_arrow_table().to_pylist():
                taps[tap["request_id"]].append(Tap(tap["item_id"], tap["time"]))
    except RuijiEventsError as error:
        raise LogError(str(error)) from error
    if not impressions:
        raise LogError(
            f"{folder.url} has no impression of {_span(first, last)}: have clients record them, or servers with "
            "`ruiji serve --log-impressions`, and run `ruiji events compact`"
        )
    left_out: Counter[str] = Counter()
    by_request: dict[str, list[_Impression]] = defaultdict(list)
    for row in impressions:
        by_request[row.pop("request_id")].append(_Impression(**row))
    requests = []
    for request_id, parts in by_request.items():
        request = _request(request_id, parts, taps.get(request_id, ()), left_out)
        if request is not None:
            requests.append(request)
    return LoggedRequests(tuple(requests), dict(+left_out))


@dataclass(frozen=True, slots=True)
class _Impression:
    time: datetime
    query_item_id: str
    source: str
    unit: str | None
    encoder_id: str | None
    error: str | None
    experiments: list[dict[str, Any]]
    item_ids: list[str]
    positions: list[int]


def _request(
    request_id: str, parts: Sequence[_Impression], taps: Sequence[Tap], left_out: Counter[str]
) -> Request | None:
    first = parts[0]
    fault = _fault(first)
    if fault is not None:
        left_out[f"request: {fault}"] += 1
        return None
    shown: dict[str, int] = {}
    for part in parts:
        if part.source != first.source:
            continue
        for item_id, position in zip(part.item_ids, part.positions, strict=True):
            # Scrolled to twice, it is still one item that was seen.
            shown.setdefault(item_id, position)
    if not shown:
        left_out["request: nothing was shown"] += 1
        return None
    kept = [tap for tap in taps if tap.item_id in shown]
    left_out["tap: the item was not shown"] += len(taps) - len(kept)
    experiments = first.experiments
    return Request(
        request_id=request_id,
        time=first.time,
        query_item_id=first.query_item_id,
        shown=tuple(Shown(item_id, position) for item_id, position in shown.items()),
        taps=tuple(kept),
        unit_id=first.unit,
        experiment=", ".join(one["experiment"] for one in experiments) or None,
        variant=", ".join(f"{one['experiment']}/{one['variant'] or 'interleaved'}" for one in experiments) or None,
        encoder_id=first.encoder_id,
    )


def _fault(first: _Impression) -> str | None:
    if first.error is not None:
        return "it failed"
    if any(one["forced"] for one in first.experiments):
        return "its variant was forced, for a check"
    if not first.query_item_id:
        return "the query was a picture or an embedding"
    return None


def _span(first: date, last: date) -> str:
    return str(first) if first == last else f"{first} to {last}"
