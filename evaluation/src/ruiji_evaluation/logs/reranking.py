"""Evaluation from logs in files: embeds the pictures of what was shown by every encoder of a study."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from ruiji_evaluation.catalogue import read_items
from ruiji_evaluation.encoding_stage import encode_items
from ruiji_evaluation.errors import NothingToEvaluate
from ruiji_evaluation.logs.judging import (
    MAX_UNKNOWN_SHARE,
    Judging,
    comparable_lists,
    items_of,
    judge_lists,
    log_facts,
    refuse_foreign,
)
from ruiji_evaluation.logs.reading import LogReader
from ruiji_evaluation.measures import parse_measures
from ruiji_evaluation.progress import NoStages

if TYPE_CHECKING:
    from pathlib import Path

    from ruiji_evaluation.evaluation import Evaluation
    from ruiji_evaluation.progress import Stages
    from ruiji_evaluation.study import Study


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
    parse_measures(study.measures)
    table = read_items(study.items, study.columns)
    reader = LogReader(log)
    logged = list(reader)
    left_out = Counter(reader.left_out)
    tapped = [request for request in logged if request.taps]
    left_out["request: nothing was tapped"] += len(logged) - len(tapped)
    known = {item.item_id: item for item in table.items}
    refuse_foreign(tapped, set(known), max_unknown_share, log=str(log), catalogue=str(study.items))

    named = {item_id for request in tapped for item_id in items_of(request)} & set(known)
    encoded = encode_items([known[item_id] for item_id in named], study, cache=cache, threads=threads, stages=stages)
    row_of = {item.item_id: row for row, item in enumerate(encoded.items)}
    shown = comparable_lists(tapped, row_of, left_out, lacks="is unknown or has no picture")
    if not shown.requests:
        raise NothingToEvaluate(f"no request of {log} has a tap and two items that can be compared: {dict(left_out)}")

    spread = np.unique(np.concatenate([np.array(rows, np.int64) for rows in shown.lists]))
    vectors, encoders = {}, []
    for spec in study.encoders:
        vectors[spec.name], fact = encoded.vectors(spec, spread)
        encoders.append(fact)
    facts = log_facts(shown, len(logged), log.name, study.resampling)
    return judge_lists(
        shown,
        encoded.items,
        vectors,
        encoders,
        Judging(study.title, study.baseline, study.measures, study.slices, study.resampling, study.notes),
        facts=(*facts, ("item table", study.items.name)),
        left_out=left_out + Counter(encoded.left_out),
        stages=stages,
    )
