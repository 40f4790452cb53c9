"""Evaluation from the servers' log with the embeddings that the item store has: no picture is embedded again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ruiji_evaluation.errors import NothingToEvaluate
from ruiji_evaluation.evaluation import EncoderFacts
from ruiji_evaluation.logs.judging import (
    MAX_UNKNOWN_SHARE,
    Judging,
    comparable_lists,
    items_of,
    judge_lists,
    log_facts,
    refuse_foreign,
)
from ruiji_evaluation.measures import parse_measures
from ruiji_evaluation.progress import NoStages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ruiji_evaluation.catalogue import Item
    from ruiji_evaluation.evaluation import Evaluation
    from ruiji_evaluation.logs.partitions import LoggedRequests
    from ruiji_evaluation.logs.schema import Request
    from ruiji_evaluation.progress import Stages

PAPER_MEASURES = ("nDCG@5", "P@1", "P@3", "R@10", "RR", "nDCG@10", "Success@3")
"""The paper's table comes first."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredEncoder:
    """An encoder whose embeddings are at hand."""

    name: str
    """Heads its row; differs from the others'."""
    description: str
    """What it is."""
    vectors: Mapping[str, NDArray[np.float32]]
    """By item id, unit length, shape (d,)."""


def mentioned_items(requests: Sequence[Request]) -> list[str]:
    """Return the ids of all items of which embeddings are needed, sorted: those of requests with a tap."""
    return sorted({item_id for request in requests if request.taps for item_id in items_of(request)})


def evaluate_stored(
    logged: LoggedRequests,
    items: Mapping[str, Item],
    encoders: Sequence[StoredEncoder],
    judging: Judging,
    *,
    log: str,
    max_unknown_share: float = MAX_UNKNOWN_SHARE,
    stages: Stages | None = None,
) -> Evaluation:
    """Put every logged list into each encoder's order and judge it by its taps.

    Only items that every encoder has embedded are compared, so that all are judged on the same lists.

    Args:
        logged: from `partitions.read_partitions`.
        items: by id, those that the store still has of `mentioned_items`.
        encoders: in the order of the report; the judging's baseline is one of them.
        judging: what is reported, and how.
        log: where the requests are.
        max_unknown_share: most shown items and query items that the store may not know, 0 to 1.
        stages: told of each encoder.

    Raises:
        LogError: too much of the log is unknown.
        NothingToEvaluate: no list has a tap and two items that can be compared.
        StudyError: a measure is unknown.
    """
    parse_measures(judging.measures)
    tapped = [request for request in logged.requests if request.taps]
    left_out = Counter(logged.left_out)
    left_out["request: nothing was tapped"] += len(logged.requests) - len(tapped)
    refuse_foreign(tapped, set(items), max_unknown_share, log=log, catalogue="the store")
    everywhere = sorted(item_id for item_id in items if all(item_id in encoder.vectors for encoder in encoders))
    row_of = {item_id: row for row, item_id in enumerate(everywhere)}
    shown = comparable_lists(tapped, row_of, left_out, lacks="is unknown or not embedded by every encoder")
    if not shown.requests:
        raise NothingToEvaluate(
            f"no request of {log} has a tap and two items that can be compared; left out: {dict(+left_out)}"
        )
    matrices = {
        encoder.name: np.stack([encoder.vectors[item_id] for item_id in everywhere]).astype(np.float32)
        for encoder in encoders
    }
    return judge_lists(
        shown,
        tuple(items[item_id] for item_id in everywhere),
        matrices,
        [EncoderFacts(one.name, one.description, matrices[one.name].shape[1], None) for one in encoders],
        judging,
        facts=(
            *log_facts(shown, len(logged.requests), log, judging.resampling),
            ("embeddings", "those that the item store has"),
        ),
        left_out=left_out,
        stages=stages or NoStages(),
    )
