from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruiji_server.ranking.categories import CategoryTree

paths = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(tuple)


def similarity(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    common = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        common += 1
    return 2 * common / (len(one) + len(other))


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (("Fashion", "Shoes", "Boots"), 1.0),
        (("Fashion", "Shoes", "Heels"), 2 / 3),
        (("Fashion", "Bags", "Boots"), 1 / 3),  # an equal name under another parent is another category
        (("Fashion",), 0.5),
        (("Home", "Lamps"), 0.0),
    ],
)
def test_nearness_in_the_tree(other, expected):
    tree = CategoryTree([other])
    assert tree.similarities(("Fashion", "Shoes", "Boots"))[0] == pytest.approx(expected)


@given(catalogue=st.lists(paths, min_size=1, max_size=12, unique=True), query=paths)
def test_every_category_has_the_similarity_of_the_formula(catalogue, query):
    tree = CategoryTree(catalogue)
    expected = [similarity(query, path) for path in catalogue]
    assert tree.similarities(query).tolist() == pytest.approx(expected)
    assert tree.similarities(query).tolist() == pytest.approx(expected), "remembered answers are the same"
