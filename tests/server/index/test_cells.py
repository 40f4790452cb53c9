"""Cells hold what is near their centres, and their centres are where their items are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from ruiji_server.index import cells as cells_module
from ruiji_server.index.cells import Cells
from sklearn.cluster import KMeans

from tests.support.catalogues import clustered_vectors


@pytest.fixture(scope="module")
def executor():
    with ThreadPoolExecutor(2) as executor:
        yield executor


def spread(vectors, centres, held) -> float:
    """Return the mean cosine of vectors to their centres."""
    return float(np.mean(np.sum(vectors * centres[held], axis=1)))


def test_an_item_is_in_the_cell_of_the_nearest_centre(executor, monkeypatch):
    monkeypatch.setattr(cells_module, "_AT_ONCE", 100)
    vectors = clustered_vectors(1_000)
    rows = np.arange(0, 1_000, 3)
    cells = Cells.fit(vectors, rows, 12, 0, executor)
    assert cells.centres.shape == (12, 128)
    np.testing.assert_allclose(np.linalg.norm(cells.centres, axis=1), 1.0, atol=1e-6)
    nearest = [int(np.argmax(cells.centres @ vectors[row])) for row in rows]
    assert cells.of(vectors, rows, executor).tolist() == nearest


def test_centres_are_about_as_good_as_those_of_scikit_learn(executor):
    vectors = clustered_vectors(3_000, clusters=25)
    rows = np.arange(len(vectors))
    ours = Cells.fit(vectors, rows, 25, 0, executor)
    theirs = KMeans(25, n_init=1, random_state=0).fit(vectors)
    unit = theirs.cluster_centers_ / np.linalg.norm(theirs.cluster_centers_, axis=1, keepdims=True)
    random = vectors[:25]
    of_ours = spread(vectors, ours.centres, ours.of(vectors, rows, executor))
    of_theirs = spread(vectors, unit, np.argmax(vectors @ unit.T, axis=1))
    of_random = spread(vectors, random, np.argmax(vectors @ random.T, axis=1))
    assert of_random < of_ours
    assert of_ours > of_theirs - 0.25 * (of_theirs - of_random)


def test_the_same_seed_finds_the_same(executor):
    vectors = clustered_vectors(500)
    one, same, other = (Cells.fit(vectors, np.arange(500), 7, seed, executor) for seed in (1, 1, 2))
    assert (one.centres == same.centres).all()
    assert (one.centres != other.centres).any()


def test_as_many_cells_as_items_and_cells_that_nobody_is_in(executor):
    vectors = np.repeat(clustered_vectors(3), 4, axis=0)
    cells = Cells.fit(vectors, np.arange(12), 12, 0, executor)
    assert np.isfinite(cells.centres).all()
    held = cells.of(vectors, np.arange(12), executor)
    assert len(set(held.tolist())) == 3


def test_the_nearest_cells_of_each_vector_are_marked(executor):
    vectors = clustered_vectors(400)
    cells = Cells.fit(vectors, np.arange(400), 20, 0, executor)
    near = cells.nearest(vectors[:300], 6)
    assert near.shape == (20, 300)
    for vector, marked in zip(vectors[:300], near.T, strict=True):
        wanted = np.argsort(-(cells.centres @ vector))[:6]
        assert sorted(np.flatnonzero(marked)) == sorted(wanted)


def test_more_cells_than_there_are_are_all(executor):
    vectors = clustered_vectors(100)
    assert Cells.fit(vectors, np.arange(100), 5, 0, executor).nearest(vectors, 9).all()
