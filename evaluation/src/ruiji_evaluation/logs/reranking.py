"""Evaluation from logs: every encoder puts each list that was shown into its own order; what was tapped is relevant.

Three things to know when reading the figures. People tap what stands on top, so the order that was logged is favoured:
its own row, "as shown", says by how much, and encoders that are compared should not have made it. Only what was shown
can be ranked: an encoder that would have found better items gets no credit. Lists without a tap tell nothing apart and
are left out, counted.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from ruiji_evaluation.catalogue import read_items
from ruiji_evaluation.comparison import compare
from ruiji_evaluation.encoding_stage import encode_items
from ruiji_evaluation.errors import LogError, NothingToEvaluate
from ruiji_evaluation.evaluation import SHOWN_LENGTH, EncoderFacts, Evaluation, Rankings
from ruiji_evaluation.logs.reading import LogReader
from ruiji_evaluation.measures import Judge, parse_measures
from ruiji_evaluation.progress import NoStages
from ruiji_evaluation.slices import Slicing, slicings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ruiji_evaluation.catalogue import Item
    from ruiji_evaluation.logs.schema import Request
    from ruiji_evaluation.progress import Stages
    from ruiji_evaluation.study import Study

AS_SHOWN = "as shown"
"""Row of the order that was logged."""

MAX_UNKNOWN_SHARE = 0.1
"""A log with a larger share of unknown items belongs to another catalogue, or the catalogue is too old."""


def evaluate_logs(
    study: Study,
    log: Path,
    *,
    cache: Path,
    threads: int = 1,
    max_unknown_share: float = MAX_UNKNOWN_SHARE,
    stages: Stages | None = None,
) -> Evaluation:
    """Put every logged list into each encoder's order and judge it by its taps.

    Args:
        study: what is compared; its split and grading are not used.
        log: a file or folder, see `LogReader`.
        cache: folder for features, see `embeddings.embed`.
        threads: CPU cores for an encoder.
        max_unknown_share: most shown items and query items that the item table may not know, 0 to 1.
        stages: told of each stage.

    Raises:
        LogError: the log is not in the format or too much of it is unknown.
        RuijiEvaluationError: the study, the table or an encoder cannot be used, or no list has a tap.
    """
    stages = stages or NoStages()
    measures = parse_measures(study.measures)
    table = read_items(study.items, study.columns)
    reader = LogReader(log)
    logged = list(reader)
    left_out = Counter(reader.left_out)
    tapped = [request for request in logged if request.taps]
    left_out["request: nothing was tapped"] += len(logged) - len(tapped)
    known = {item.item_id: item for item in table.items}
    _refuse_foreign(log, tapped, set(known), study.items, max_unknown_share)

    named = {item_id for request in tapped for item_id in _items_of(request)} & set(known)
    encoded = encode_items([known[item_id] for item_id in named], study, cache=cache, threads=threads, stages=stages)
    row_of = {item.item_id: row for row, item in enumerate(encoded.items)}
    requests, lists = _lists(tapped, row_of, left_out)
    if not requests:
        raise NothingToEvaluate(f"no request of {log} has a tap and two items that can be compared: {dict(left_out)}")

    queries = np.array([row_of[request.query_item_id] for request in requests], np.int64)
    relevant = [{row_of[tap.item_id]: 1 for tap in request.taps if tap.item_id in row_of} for request in requests]
    gallery = np.unique(np.concatenate([np.array(rows, np.int64) for rows in lists]))
    rankings: dict[str, list[list[int]]] = {}
    facts = []
    for spec in study.encoders:
        vectors, fact = encoded.vectors(spec, gallery)
        with stages.stage(f"Rank, {spec.name}", len(requests)) as advance:
            rankings[spec.name] = [
                rank(vectors, query, rows) for query, rows in zip(queries.tolist(), lists, strict=True)
            ]
            advance(len(requests))
        facts.append(fact)
    rankings[AS_SHOWN] = lists
    facts.append(
        EncoderFacts(AS_SHOWN, "the order that people saw; favoured, since they tap what stands on top", 0, None)
    )
    judge = Judge(measures, relevant)
    values = {name: judge.values(ranked) for name, ranked in rankings.items()}
    return Evaluation(
        title=study.title,
        facts=_facts(study, log, requests, logged),
        left_out={reason: number for reason, number in (left_out + Counter(encoded.left_out)).items() if number},
        notes=study.notes,
        encoders=tuple(facts),
        comparison=compare(
            values,
            study.baseline,
            study.measures,
            study.resampling,
            units=_units(requests),
            slicings=_slicings(requests, [encoded.items[row] for row in queries.tolist()], study),
        ),
        rankings=_rankings(encoded.items, queries, rankings, relevant, values),
    )


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


def _items_of(request: Request) -> list[str]:
    return [request.query_item_id, *(shown.item_id for shown in request.shown)]


def _refuse_foreign(
    log: Path, requests: Sequence[Request], known: set[str], table: Path, max_unknown_share: float
) -> None:
    mentions = [item_id for request in requests for item_id in _items_of(request)]
    unknown = [item_id for item_id in mentions if item_id not in known]
    if mentions and len(unknown) > max_unknown_share * len(mentions):
        raise LogError(
            f"{len(unknown)} of {len(mentions)} items that {log} names are not in {table}, the first being "
            f"{unknown[0]!r}: give the catalogue that the log belongs to, or allow a larger share of unknown items"
        )


def _lists(
    requests: Sequence[Request], row_of: Mapping[str, int], left_out: Counter[str]
) -> tuple[list[Request], list[list[int]]]:
    kept: list[Request] = []
    lists: list[list[int]] = []
    for request in requests:
        if request.query_item_id not in row_of:
            left_out["request: the query item is unknown or has no picture"] += 1
            continue
        others = [shown for shown in request.shown if shown.item_id != request.query_item_id]
        left_out["shown: it was the query item itself"] += len(request.shown) - len(others)
        in_order = sorted(others, key=lambda shown: shown.position)
        rows = [row_of[shown.item_id] for shown in in_order if shown.item_id in row_of]
        left_out["shown: the item is unknown or has no picture"] += len(others) - len(rows)
        if len(rows) < 2:
            left_out["request: fewer than two items can be compared"] += 1
        elif not {row_of[tap.item_id] for tap in request.taps if tap.item_id in row_of}.intersection(rows):
            left_out["request: what was tapped is unknown or has no picture"] += 1
        else:
            kept.append(request)
            lists.append(rows)
    return kept, lists


def _units(requests: Sequence[Request]) -> NDArray[np.int64]:
    # A request without a unit is one of its own; the pair keeps it apart from units that are called alike.
    names = [("unit", request.unit_id) if request.unit_id else ("request", request.request_id) for request in requests]
    number: dict[tuple[str, str], int] = {}
    return np.array([number.setdefault(name, len(number)) for name in names], np.int64)


def _slicings(requests: Sequence[Request], items: Sequence[Item], study: Study) -> tuple[Slicing, ...]:
    found = slicings(items, study.slices, [request.time for request in requests])
    names = [request.variant or "none" for request in requests]
    variants = sorted({name for name in names if names.count(name) >= study.slices.min_queries})
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


def _facts(
    study: Study, log: Path, requests: Sequence[Request], logged: Sequence[Request]
) -> tuple[tuple[str, str], ...]:
    times = [request.time for request in requests]
    shown = sum(len(request.shown) for request in requests) / len(requests)
    units = len({request.unit_id for request in requests if request.unit_id})
    over = f"{units} users" if units else "requests"
    return (
        ("evaluated by", "logs: every list that was shown, in each encoder's order; what was tapped is relevant"),
        ("log", f"{log.name}, {min(times):%Y-%m-%d} to {max(times):%Y-%m-%d}"),
        ("requests", f"{len(requests)} with a tap of {len(logged)}, {shown:.1f} items shown on average"),
        ("item table", study.items.name),
        (
            "intervals",
            f"{study.resampling.confidence:.0%}, bootstrap over {over}, {study.resampling.resamples} "
            f"resamples, seed {study.resampling.seed}",
        ),
        ("significance", "randomisation test of paired differences, Holm's correction over encoders"),
    )
