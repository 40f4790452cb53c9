"""Ranking measures by ir-measures, for each query.

`nDCG@5`, `P@1`, `R@10`, `Success@3`, `RR` and the rest of https://ir-measur.es are written as there. nDCG takes the
grade itself as gain and log2(rank + 1) as discount (Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR
techniques", 2002, as trec_eval computes it); its ideal ranking is that of everything relevant, found or not. P, R,
Success and RR count grade 1 and more as relevant; `P(rel=2)@1` asks for more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ir_measures
import numpy as np

from ruiji_evaluation.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

DEFAULT_MEASURES = ("nDCG@5", "nDCG@10", "P@1", "P@3", "Success@3", "R@10", "RR")
"""The paper's table, and what else tells encoders apart. The first of a list decides slices, wins and losses."""


def parse_measures(names: Sequence[str]) -> tuple[Any, ...]:
    """Turn names into ir-measures' objects, in the same order.

    Raises:
        StudyError: a name is unknown, asked twice, or nobody computes it; or there is none.
    """
    if not names:
        raise StudyError("no measure is asked for: name at least one, such as nDCG@5")
    measures = []
    for name in names:
        try:
            measure = ir_measures.parse_measure(name)
            ir_measures.evaluator([measure], {"q": {"d": 1}})
        except (ValueError, NameError, SyntaxError, AttributeError, KeyError) as error:
            raise StudyError(f"{name!r} is no measure of ir-measures, such as nDCG@5, P@1, R@10 or RR") from error
        measures.append(measure)
    if len(set(measures)) < len(measures):
        raise StudyError(f"a measure is asked for twice: {', '.join(names)}")
    return tuple(measures)


def deepest_cutoff(measures: Sequence[Any], otherwise: int) -> int:
    """Return the deepest rank that a measure looks at; those without a cutoff look down to `otherwise`."""
    cutoffs = [int(measure["cutoff"]) for measure in measures if "cutoff" in measure.params]
    return max([*cutoffs, otherwise]) if len(cutoffs) < len(measures) else max(cutoffs)


class Judge:
    """Judges rankings of the same queries, however many encoders made them."""

    def __init__(self, measures: Sequence[Any], relevant: Sequence[Mapping[int, int]]) -> None:
        """Take in what is relevant.

        Args:
            measures: from `parse_measures`.
            relevant: for each query the items of grade 1 and more, as document number to grade. A query without any
                is judged 0 by every measure; leave it out before.
        """
        self._measures = tuple(measures)
        self._column = {measure: column for column, measure in enumerate(self._measures)}
        self._queries = len(relevant)
        # A grade of 0 is what trec_eval takes an unknown document for.
        qrels = {
            str(query): {str(document): grade for document, grade in grades.items()}
            for query, grades in enumerate(relevant)
        }
        self._evaluator = ir_measures.evaluator(list(self._measures), qrels)

    def values(self, rankings: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """Judge one ranking for each query.

        Args:
            rankings: document numbers, best first, no number twice. Order is all that counts: trec_eval would break
                ties of scores by its own rule, so it is never shown any.

        Returns:
            Shape (queries, measures), float64.
        """
        run = {
            str(query): {str(document): float(-rank) for rank, document in enumerate(ranking)}
            for query, ranking in enumerate(rankings)
        }
        values = np.zeros((self._queries, len(self._measures)))
        for metric in self._evaluator.iter_calc(run):
            values[int(metric.query_id), self._column[metric.measure]] = metric.value
        return values
