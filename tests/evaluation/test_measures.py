"""Measures agree with definitions written out, with scikit-learn, and with hand-made cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruiji_evaluation.errors import StudyError
from ruiji_evaluation.measures import DEFAULT_MEASURES, Judge, deepest_cutoff, parse_measures
from sklearn.metrics import ndcg_score


def by_hand(name: str, ranking: list[int], grades: dict[int, int]) -> float:
    """Compute a measure from its definition."""
    kind, _, cutoff = name.partition("@")
    k = int(cutoff) if cutoff else len(ranking)
    gains = [grades.get(document, 0) for document in ranking[:k]]
    hits = [gain > 0 for gain in gains]
    if kind == "nDCG":
        ideal = sorted(grades.values(), reverse=True)[:k]
        return discounted(gains) / discounted(ideal)
    if kind == "P":
        return sum(hits) / k
    if kind == "R":
        return sum(hits) / len(grades)
    if kind == "Success":
        return float(any(hits))
    assert kind == "RR"
    return next((1 / rank for rank, hit in enumerate(hits, 1) if hit), 0.0)


def discounted(gains: list[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))


@st.composite
def judged(draw):
    documents = draw(st.integers(1, 30))
    grades = draw(st.dictionaries(st.integers(0, documents - 1), st.integers(1, 4), min_size=1))
    return draw(st.permutations(range(documents))), grades


@settings(max_examples=50, deadline=None)
@given(st.lists(judged(), min_size=1, max_size=5))
def test_every_measure_is_its_definition(queries):
    judge = Judge(parse_measures(DEFAULT_MEASURES), [grades for _, grades in queries])
    expected = [[by_hand(name, ranking, grades) for name in DEFAULT_MEASURES] for ranking, grades in queries]
    np.testing.assert_allclose(judge.values([ranking for ranking, _ in queries]), expected, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [1, 5, 20])
def test_ndcg_agrees_with_scikit_learn(seed, k):
    rng = np.random.default_rng(seed)
    grades = rng.integers(0, 4, (20, 40))
    grades[:, 0] = 1
    scores = rng.random((20, 40))
    rankings = np.argsort(-scores, axis=1).tolist()
    relevant = [{int(column): int(row[column]) for column in np.flatnonzero(row)} for row in grades]
    values = Judge(parse_measures([f"nDCG@{k}"]), relevant).values(rankings)[:, 0]
    expected = [ndcg_score([row], [line], k=k, ignore_ties=True) for row, line in zip(grades, scores, strict=True)]
    np.testing.assert_allclose(values, expected, atol=1e-9)


def test_a_case_small_enough_for_paper():
    judge = Judge(parse_measures(["nDCG@2", "P@2", "RR"]), [{7: 3, 8: 1}])
    [[ndcg, precision, reciprocal_rank]] = judge.values([[9, 7, 8]])
    assert ndcg == pytest.approx((3 / math.log2(3)) / (3 + 1 / math.log2(3)))
    assert precision == 0.5
    assert reciprocal_rank == 0.5


def test_the_same_ranking_is_judged_the_same_whatever_the_documents_are_called():
    # trec_eval orders equal scores by name; rankings are handed over without any.
    judge = Judge(parse_measures(["nDCG@5"]), [{1: 1}, {100: 1}])
    assert judge.values([[1, 100], [100, 1]]).tolist() == [[1.0], [1.0]]


def test_the_depth_follows_from_the_measures():
    assert deepest_cutoff(parse_measures(["nDCG@5", "P@1"]), 100) == 5
    assert deepest_cutoff(parse_measures(["nDCG@5", "RR"]), 100) == 100


@pytest.mark.parametrize("name", ["nDCG@", "accuracy", "P@first", "__import__('os')"])
def test_a_measure_that_nobody_computes_is_refused(name):
    with pytest.raises(StudyError, match="is no measure"):
        parse_measures([name])


def test_measures_are_named_once():
    with pytest.raises(StudyError, match="twice"):
        parse_measures(["P@1", "P@1"])
    with pytest.raises(StudyError, match="no measure is asked for"):
        parse_measures([])
