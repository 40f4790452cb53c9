"""Lists that were shown, put into each encoder's order and judged by what was tapped, wherever vectors come from.

Three things to know when reading the figures. People tap what stands on top, so the order that was logged is favoured:
its own row, "as shown", says by how much, and encoders that are compared should not have made it. Only what was shown
can be ranked: an encoder that would have found better items gets no credit. Lists without a tap tell nothing apart and
are left out, counted.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ruiji_evaluation.comparison import ResamplingSettings, compare
from ruiji_evaluation.errors import LogError
from ruiji_evaluation.evaluation import SHOWN_LENGTH, EncoderFacts, Evaluation, Rankings
from ruiji_evaluation.measures import DEFAULT_MEASURES, Judge, parse_measures
from ruiji_evaluation.slices import SliceSettings, Slicing, slicings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ruiji_evaluation.catalogue import Item
    from ruiji_evaluation.logs.schema import Request
    from ruiji_evaluation.progress import Stages

AS_SHOWN = "as shown"
"""Row of the order that was logged."""

ON_TOP = "the order that people saw; favoured, since they tap what stands on top"
"""What that row is."""


MAX_UNKNOWN_SHARE = 0.1
"""A log with a larger share of unknown items belongs to another catalogue, or the catalogue is too old."""


@dataclass(frozen=True, slots=True)
class Judging:
    """What is reported, and how."""

    title: str
    """Heads the report."""
    baseline: str
    """The encoder that the others are compared with."""
    measures: tuple[str, ...] = DEFAULT_MEASURES
    """The first decides slices, wins and losses."""
    slices: SliceSettings = field(default_factory=SliceSettings)
    """Which slices are reported."""
    resampling: ResamplingSettings = field(default_factory=ResamplingSettings)
    """Of intervals and tests."""
    notes: tuple[str, ...] = ()
    """What a reader of the report must know."""


@dataclass(frozen=True, slots=True, eq=False)
class ComparableLists:
    """Requests whose list can be ranked and judged."""

    requests: tuple[Request, ...]
    """Each has a known query item, two known items and a tap on one of them."""
    queries: NDArray[np.int64]
    """Row of each query item, shape (requests,), int64."""
    lists: tuple[list[int], ...]
    """Rows of what each request showed, first place first."""
    relevant: tuple[dict[int, int], ...]
    """For each request the rows that were tapped, with grade 1."""


def comparable_lists(
    requests: Sequence[Request], row_of: Mapping[str, int], left_out: Counter[str], *, lacks: str
) -> ComparableLists:
    """Keep the requests that can be judged.

    Args:
        requests: those with a tap.
        row_of: item id to row, for items that every encoder has a vector of.
        left_out: told what is not kept, by reason.
        lacks: what keeps an item from having a row, such as "is unknown or has no picture".
    """
    kept, lists = _lists(requests, row_of, left_out, lacks)
    return ComparableLists(
        requests=tuple(kept),
        queries=np.array([row_of[request.query_item_id] for request in kept], np.int64),
        lists=tuple(lists),
        relevant=tuple({row_of[tap.item_id]: 1 for tap in request.taps if tap.item_id in row_of} for request in kept),
    )


def judge_lists(
    shown: ComparableLists,
    items: tuple[Item, ...],
    vectors: Mapping[str, NDArray[np.float32]],
    encoders: Sequence[EncoderFacts],
    judging: Judging,
    *,
    facts: tuple[tuple[str, str], ...],
    left_out: Mapping[str, int],
    stages: Stages,
) -> Evaluation:
    """Put every list into each encoder's order and judge it by its taps.

    Args:
        shown: at least one request.
        items: by row.
        vectors: by encoder, unit length, shape (items, d).
        encoders: what each of them is, in the order of the report.
        judging: see there.
        facts: for the head of the report.
        left_out: reason to number, all that was not counted.
        stages: told of each encoder.
    """
    rankings: dict[str, Sequence[Sequence[int]]] = {}
    for name, matrix in vectors.items():
        with stages.stage(f"Rank, {name}", len(shown.requests)) as advance:
            rankings[name] = [rank(matrix, query, rows) for query, rows in zip(shown.queries, shown.lists, strict=True)]
            advance(len(shown.requests))
    rankings[AS_SHOWN] = shown.lists
    judge = Judge(parse_measures(judging.measures), shown.relevant)
    values = {name: judge.values(ranked) for name, ranked in rankings.items()}
    queried = [items[row] for row in shown.queries.tolist()]
    return Evaluation(
        title=judging.title,
        facts=facts,
        left_out={reason: number for reason, number in left_out.items() if number},
        notes=judging.notes,
        encoders=(*encoders, EncoderFacts(AS_SHOWN, ON_TOP, 0, None)),
        comparison=compare(
            values,
            judging.baseline,
            judging.measures,
            judging.resampling,
            units=_units(shown.requests),
            slicings=_slicings(shown.requests, queried, judging.slices),
        ),
        rankings=_rankings(items, shown.queries, rankings, shown.relevant, values),
    )


def log_facts(shown: ComparableLists, logged: int, log: str, resampling: ResamplingSettings) -> list[tuple[str, str]]:
    """Return what a report's head says of a log.

    Args:
        shown: what was judged.
        logged: requests that the log has.
        log: its name.
        resampling: of intervals.
    """
    times = [request.time for request in shown.requests]
    length = sum(len(request.shown) for request in shown.requests) / len(shown.requests)
    units = len({request.unit_id for request in shown.requests if request.unit_id})
    over = f"{units} users" if units else "requests"
    return [
        ("evaluated by", "logs: every list that was shown, in each encoder's order; what was tapped is relevant"),
        ("log", f"{log}, {min(times):%Y-%m-%d} to {max(times):%Y-%m-%d}"),
        ("requests", f"{len(shown.requests)} with a tap of {logged}, {length:.1f} items shown on average"),
        (
            "intervals",
            f"{resampling.confidence:.0%}, bootstrap over {over}, {resampling.resamples} resamples, "
            f"seed {resampling.seed}",
        ),
        ("significance", "randomisation test of paired differences, Holm's correction over encoders"),
    ]


def rank(vectors: NDArray[np.float32], query: int, rows: Sequence[int]) -> list[int]:
    """Return rows by falling cosine to the query, equal ones by row.

    Args:
        vectors: unit length, shape (n, d).
        query: a row.
        rows: those that are ranked.
    """
    ordered = np.sort(np.asarray(rows, np.int64))
    order = np.argsort(-(vectors[ordered] @ vectors[query]), kind="stable")
    ranked: list[int] = ordered[order].tolist()
    return ranked


def items_of(request: Request) -> list[str]:
    """Return the ids of the query item and of all that was shown."""
    return [request.query_item_id, *(shown.item_id for shown in request.shown)]


def refuse_foreign(
    requests: Sequence[Request], known: set[str], max_unknown_share: float, *, log: str, catalogue: str
) -> None:
    """Raise `LogError` if too much of a log is unknown to the catalogue.

    Args:
        requests: those with a tap.
        known: ids of the catalogue's items.
        max_unknown_share: most shown items and query items that may be unknown, 0 to 1.
        log: where the requests are, for the message.
        catalogue: where the items are, for the message.
    """
    mentions = [item_id for request in requests for item_id in items_of(request)]
    unknown = [item_id for item_id in mentions if item_id not in known]
    if mentions and len(unknown) > max_unknown_share * len(mentions):
        raise LogError(
            f"{len(unknown)} of {len(mentions)} items that {log} names are not in {catalogue}, the first being "
            f"{unknown[0]!r}: give the catalogue that the log belongs to, or allow a larger share of unknown items"
        )


def _lists(
    requests: Sequence[Request], row_of: Mapping[str, int], left_out: Counter[str], lacks: str
) -> tuple[list[Request], list[list[int]]]:
    kept: list[Request] = []
    lists: list[list[int]] = []
    for request in requests:
        if request.query_item_id not in row_of:
            left_out[f"request: the query item {lacks}"] += 1
            continue
        others = [shown for shown in request.shown if shown.item_id != request.query_item_id]
        left_out["shown: it was the query item itself"] += len(request.shown) - len(others)
        in_order = sorted(others, key=lambda shown: shown.position)
        rows = [row_of[shown.item_id] for shown in in_order if shown.item_id in row_of]
        left_out[f"shown: the item {lacks}"] += len(others) - len(rows)
        if len(rows) < 2:
            left_out["request: fewer than two items can be compared"] += 1
        elif not {row_of[tap.item_id] for tap in request.taps if tap.item_id in row_of}.intersection(rows):
            left_out[f"request: what was tapped {lacks}"] += 1
        else:
            kept.append(request)
            lists.append(rows)
    return kept, lists


def _units(requests: Sequence[Request]) -> NDArray[np.int64]:
    # A request without a unit is one of its own; the pair keeps it apart from units that are called alike.
    names = [("unit", request.unit_id) if request.unit_id else ("request", request.request_id) for request in requests]
    number: dict[tuple[str, str], int] = {}
    return np.array([number.setdefault(name, len(number)) for name in names], np.int64)


def _slicings(requests: Sequence[Request], items: Sequence[Item], settings: SliceSettings) -> tuple[Slicing, ...]:
    found = slicings(items, settings, [request.time for request in requests])
    names = [request.variant or "none" for request in requests]
    variants = sorted({name for name in names if names.count(name) >= settings.min_queries})
    if len(variants) < 2:
        return found
    number = {name: row for row, name in enumerate(variants)}
    return (*found, Slicing("variant", tuple(variants), np.array([number.get(name, -1) for name in names], np.int64)))


def _rankings(
    items: tuple[Item, ...],
    queries: NDArray[np.int64],
    rankings: Mapping[str, Sequence[Sequence[int]]],
    relevant: Sequence[Mapping[int, int]],
    values: Mapping[str, NDArray[np.float64]],
) -> Rankings:
    top = {name: np.full((len(queries), SHOWN_LENGTH), -1, np.int64) for name in rankings}
    grades = {name: np.zeros((len(queries), SHOWN_LENGTH), np.int64) for name in rankings}
    for name, ranked in rankings.items():
        for query, rows in enumerate(ranked):
            shown = rows[:SHOWN_LENGTH]
            top[name][query, : len(shown)] = shown
            grades[name][query, : len(shown)] = [relevant[query].get(row, 0) for row in shown]
    return Rankings(items, queries, top, grades, values)
