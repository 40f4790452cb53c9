"""Exact search, to the last tie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from ruiji_evaluation import search
from ruiji_evaluation.search import best_rows, nearest, unit_length


@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 5), st.integers(1, 40)),
        elements=st.sampled_from([-1.0, -0.5, -0.0, 0.0, 2.0**-90, 0.25, 1.0]),
    ),
    st.integers(1, 40),
)
def test_ties_fall_in_the_order_of_rows_as_in_a_stable_sort(scores, k):
    k = min(k, scores.shape[1])
    assert best_rows(scores, k).tolist() == np.argsort(-scores, axis=1, kind="stable")[:, :k].tolist()


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    gallery = unit_length(rng.standard_normal((300, 16)).astype(np.float32))
    queries = unit_length(rng.standard_normal((70, 16)).astype(np.float32))
    expected = np.argsort(-(queries @ gallery.T), axis=1, kind="stable")[:, :9]
    told: list[int] = []
    monkeypatch.setattr(search, "_BLOCK_CELLS", 3_000)
    assert nearest(queries, gallery, 9, progress=told.append).tolist() == expected.tolist()
    assert sum(told) == 70
    assert len(told) > 1


def test_a_small_gallery_is_returned_whole():
    gallery = np.eye(3, dtype=np.float32)
    assert nearest(gallery[:1], gallery, 10).tolist() == [[0, 1, 2]]


def test_a_zero_vector_stays_finite():
    assert unit_length(np.zeros((1, 4), np.float32)).tolist() == [[0.0] * 4]
