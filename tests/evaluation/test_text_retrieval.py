"""Recall between titles and pictures, small enough to check by hand."""

from __future__ import annotations

import numpy as np
import pytest
from ruiji_evaluation.comparison import ResamplingSettings
from ruiji_evaluation.errors import NothingToEvaluate
from ruiji_evaluation.text_retrieval import evaluate_texts

AXES = np.eye(4, dtype=np.float32)


def test_pictures_at_their_titles_are_found_and_equal_titles_are_one() -> None:
    pictures = AXES.copy()
    pictures[3] += 0.5 * AXES[0]
    found = evaluate_texts(pictures, AXES[[0, 1, 2, 2]], ["a", "b", "c", "c"], ResamplingSettings())
    assert (found.pictures, found.texts) == (4, 3)
    assert found.text_of_picture[1].mean == 0.75, "the fourth picture leans towards another title"
    assert found.picture_of_text[1].mean == 1.0
    assert found.text_of_picture[5].mean == 1.0, "of three titles, one of five is always true"


def test_titles_that_lie_at_another_picture_are_found_later() -> None:
    near = (AXES[[1, 0, 3, 2]] + 0.5 * AXES).astype(np.float32)
    found = evaluate_texts(AXES, near, ["a", "b", "c", "d"], ResamplingSettings())
    assert found.text_of_picture[1].mean == found.picture_of_text[1].mean == 0.0
    assert found.text_of_picture[5].mean == found.picture_of_text[5].mean == 1.0


def test_intervals_contain_the_mean_and_repeat() -> None:
    rng = np.random.default_rng(0)
    pictures, texts = rng.standard_normal((2, 60, 8)).astype(np.float32)
    titles = [str(row) for row in range(60)]
    found = evaluate_texts(pictures, pictures + texts, titles, ResamplingSettings(seed=3))
    for figure in (*found.text_of_picture.values(), *found.picture_of_text.values()):
        assert figure.low <= figure.mean <= figure.high
    assert found.text_of_picture[1].low < found.text_of_picture[1].high
    assert found == evaluate_texts(pictures, pictures + texts, titles, ResamplingSettings(seed=3))


def test_one_pair_is_nothing_to_search_among() -> None:
    with pytest.raises(NothingToEvaluate, match="too few"):
        evaluate_texts(AXES[:1], AXES[:1], ["a"], ResamplingSettings())
