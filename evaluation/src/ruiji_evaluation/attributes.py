"""Evaluation without logs: does a search find items that share attributes with the query?

Titles are split by hash: a part of them asks, the others are the gallery. A query never meets a listing of its own
title, so finding the same photograph under another id earns nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ruiji_evaluation.catalogue import read_items
from ruiji_evaluation.comparison import compare
from ruiji_evaluation.encoding_stage import encode_items
from ruiji_evaluation.errors import NothingToEvaluate
from ruiji_evaluation.evaluation import SHOWN_LENGTH, Evaluation, Rankings
from ruiji_evaluation.measures import Judge, deepest_cutoff, parse_measures
from ruiji_evaluation.progress import NoStages
from ruiji_evaluation.relevance import Grading, check_levels
from ruiji_evaluation.search import nearest
from ruiji_evaluation.slices import slicings
from ruiji_evaluation.split import share_of, test_side

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from ruiji_evaluation.catalogue import Item
    from ruiji_evaluation.evaluation import EncoderFacts
    from ruiji_evaluation.progress import Stages
    from ruiji_evaluation.split import Split
    from ruiji_evaluation.study import Study

_DEPTH = 100
"""Ranks that measures without a cutoff look at."""

_JUDGED_AT_ONCE = 256
"""Queries whose relevant items are held as Python dictionaries at once."""


def evaluate_attributes(study: Study, *, cache: Path, threads: int = 1, stages: Stages | None = None) -> Evaluation:
    """Search a gallery for every query by exact cosine and judge what is found.

    Args:
        study: what is compared; needs a grading.
        cache: folder for features, see `embeddings.embed`.
        threads: CPU cores for an encoder.
        stages: told of each stage.

    Raises:
        RuijiEvaluationError: the study, the table or an encoder cannot be used, or nothing is left to ask or to find.
    """
    stages = stages or NoStages()
    measures = parse_measures(study.measures)
    check_levels(study.relevance)
    table = read_items(study.items, study.columns)
    tested = test_side(table.items, study.split)
    encoded = encode_items(tested, study, cache=cache, threads=threads, stages=stages)
    items = encoded.items
    grading = Grading(study.relevance, _columns(items, study))
    asking, gallery = divide(items, study.split)
    depth = min(deepest_cutoff(measures, _DEPTH), len(gallery))

    found: dict[str, NDArray[np.int64]] = {}
    facts: list[EncoderFacts] = []
    for spec in study.encoders:
        vectors, fact = encoded.vectors(spec, gallery)
        with stages.stage(f"Search, {spec.name}", len(asking)) as advance:
            found[spec.name] = nearest(vectors[asking], vectors[gallery], depth, progress=advance)
        facts.append(fact)

    with stages.stage("Judge", len(asking)) as advance:
        answered, grades, values = _judge(measures, grading, asking, gallery, found, advance)
    if not answered.any():
        raise NothingToEvaluate(
            f"none of {len(asking)} queries has anything relevant in the gallery: check [[relevance]]"
        )
    queries = asking[answered]
    left_out = {**table.left_out, **encoded.left_out}
    if not answered.all():
        left_out["a query has nothing relevant in the gallery"] = int((~answered).sum())
    return Evaluation(
        title=study.title,
        facts=_facts(study, len(tested), len(items), len(queries), len(gallery)),
        left_out=left_out,
        notes=study.notes,
        encoders=tuple(facts),
        comparison=compare(
            values,
            study.baseline,
            study.measures,
            study.resampling,
            slicings=slicings([items[row] for row in queries.tolist()], study.slices),
        ),
        rankings=Rankings(
            items=items,
            queries=queries,
            top={name: _shown(gallery[rows[answered, :SHOWN_LENGTH]]) for name, rows in found.items()},
            grades=grades,
            values=values,
        ),
    )


def divide(items: Sequence[Item], split: Split) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Divide items into those that ask and those that are found, by title.

    Returns:
        Rows of the queries, at most `split.max_queries`, and rows of the gallery, both int64 and rising.

    Raises:
        NothingToEvaluate: one of the two is empty.
    """
    share = np.array([share_of(item.title, split.query_salt) for item in items])
    asks = share < split.query_share
    # Titles in the order of their hash, so that a smaller sample is part of a larger one.
    asking = np.flatnonzero(asks)[np.argsort(share[asks], kind="stable")][: split.max_queries]
    gallery = np.flatnonzero(~asks)
    if not len(asking) or not len(gallery):
        raise NothingToEvaluate(
            f"the split gives {len(asking)} queries and a gallery of {len(gallery)} from {len(items)} items with "
            "pictures: change query_share or test_share under [split]"
        )
    return np.sort(asking), gallery


def _columns(items: Sequence[Item], study: Study) -> Mapping[str, list[str]]:
    wanted = {column for level in study.relevance for column in (*level.all_of, *level.any_of)}
    there = set(items[0].attributes)
    return {column: [item.attributes.get(column, "") for item in items] for column in wanted & there}


def _judge(
    measures: Sequence[Any],
    grading: Grading,
    asking: NDArray[np.int64],
    gallery: NDArray[np.int64],
    found: Mapping[str, NDArray[np.int64]],
    advance: Callable[[int], None],
) -> tuple[NDArray[np.bool_], dict[str, NDArray[np.int64]], dict[str, NDArray[np.float64]]]:
    answered = np.zeros(len(asking), np.bool_)
    grades: dict[str, list[NDArray[np.int64]]] = {name: [] for name in found}
    values: dict[str, list[NDArray[np.float64]]] = {name: [] for name in found}
    for start in range(0, len(asking), _JUDGED_AT_ONCE):
        block = slice(start, start + _JUDGED_AT_ONCE)
        graded = grading.grades(asking[block], gallery)
        has_answer = (graded > 0).any(axis=1)
        answered[block] = has_answer
        graded = graded[has_answer]
        judge = Judge(measures, [_relevant(row) for row in graded])
        for name, rows in found.items():
            kept = rows[block][has_answer]
            values[name].append(judge.values(kept.tolist()))
            grades[name].append(_shown(np.take_along_axis(graded, kept[:, :SHOWN_LENGTH], axis=1), fill=0))
        advance(len(has_answer))
    return (
        answered,
        {name: np.concatenate(parts) for name, parts in grades.items()},
        {name: np.concatenate(parts) for name, parts in values.items()},
    )


def _relevant(grades: NDArray[np.int64]) -> dict[int, int]:
    rows = np.flatnonzero(grades)
    return dict(zip(rows.tolist(), grades[rows].tolist(), strict=True))


def _shown(rows: NDArray[np.int64], *, fill: int = -1) -> NDArray[np.int64]:
    return np.pad(rows, ((0, 0), (0, SHOWN_LENGTH - rows.shape[1])), constant_values=fill)


def _facts(study: Study, tested: int, usable: int, queries: int, gallery: int) -> tuple[tuple[str, str], ...]:
    split = study.split
    side = f"share {split.test_share:g} of titles" if split.test_ids is None else f"listed in {split.test_ids.name}"
    return (
        ("evaluated by", "attributes: exact search in a gallery, graded by what two items have in common"),
        (
            "item table",
            f"{study.items.name}, {tested} items on the test side ({side}), {usable} of them with a picture",
        ),
        ("pictures", ", ".join(place.name for place in study.pictures)),
        ("queries", f"{queries}, by a split of titles: no query shares its title with the gallery"),
        ("gallery", f"{gallery} items"),
        ("grading", "; ".join(f"grade {level}" for level in study.relevance)),
        (
            "intervals",
            f"{study.resampling.confidence:.0%}, bootstrap over queries, {study.resampling.resamples} "
            f"resamples, seed {study.resampling.seed}",
        ),
        ("significance", "randomisation test of paired differences, Holm's correction over encoders"),
    )
