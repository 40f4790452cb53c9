"""Retrieval figures, small enough to check by hand."""

from __future__ import annotations

import numpy as np
import pytest
from ruiji_encoder.retrieval import nearest_neighbours, neighbour_overlap, precision_at_k, thumbnail_vectors

ANGLES = np.radians([0, 10, 25, 90, 95])
VECTORS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1).astype(np.float32)


def test_neighbours_are_the_nearest_others() -> None:
    assert nearest_neighbours(VECTORS, 2).tolist() == [[1, 2], [0, 2], [1, 0], [4, 2], [3, 2]]


def test_precision_is_the_share_of_neighbours_with_the_querys_label() -> None:
    neighbours = nearest_neighbours(VECTORS, 2)
    labels = [("a",), ("a",), ("b",), ("b",), ("b",)]
    assert precision_at_k(neighbours, labels, 1) == pytest.approx(4 / 5)
    assert precision_at_k(neighbours, labels, 2) == pytest.approx((0.5 + 0.5 + 0 + 1 + 1) / 5)


def test_overlap_ignores_order() -> None:
    assert neighbour_overlap(np.array([[1, 2], [3, 4]]), np.array([[2, 1], [3, 5]])) == pytest.approx(0.75)


def test_thumbnails_are_block_means() -> None:
    pictures = np.zeros((2, 256, 256, 3), np.uint8)
    pictures[1, :, :128] = 255
    left, right = thumbnail_vectors(pictures, side=2).reshape(2, 2, 2, 3)[1, 0, :, 0]
    assert left > 0
    assert right == pytest.approx(0, abs=1e-6)
