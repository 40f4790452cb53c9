"""The category tree, and what is known of its leaves."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from ruiji_demo.catalogue import Listing, describe_item
from ruiji_demo.catalogue.colours import Colour
from ruiji_demo.catalogue.prices import MIN_PRICE_MINOR
from ruiji_demo.catalogue.taxonomy import LEAVES, Leaf

ITEMS = 12_000
LEAF_OF = {leaf.path: leaf for leaf in LEAVES}


@pytest.fixture(scope="module")
def listings() -> list[Listing]:
    return [describe_item(5, index) for index in range(ITEMS)]


def leaf_name(leaf: Leaf) -> str:
    return leaf.path[-1]


def test_the_tree_has_more_than_two_dozen_leaves_at_depth_three() -> None:
    assert len(LEAVES) >= 24
    assert len(LEAF_OF) == len(LEAVES), "two leaves share a path"
    assert {len(leaf.path) for leaf in LEAVES} == {3}


def test_the_tree_branches_at_every_level() -> None:
    children: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    for leaf in LEAVES:
        for depth in range(3):
            children[leaf.path[:depth]].add(leaf.path[depth])
    assert len(children[()]) >= 3
    assert all(len({leaf.path[1] for leaf in LEAVES if leaf.path[0] == root}) >= 2 for root in children[()])


@pytest.mark.parametrize("leaf", LEAVES, ids=leaf_name)
def test_a_leaf_offers_variety(leaf: Leaf) -> None:
    assert len(leaf.styles) >= 2
    assert len(leaf.patterns) >= 2
    assert len(set(leaf.patterns)) == len(leaf.patterns)
    assert len(leaf.colours) >= 12


def test_items_spread_evenly_over_the_leaves(listings: list[Listing]) -> None:
    counts = Counter(listing.category_path for listing in listings)
    assert set(counts) == set(LEAF_OF)
    assert min(counts.values()) > 0.7 * ITEMS / len(LEAVES)


def test_prices_are_whole_positive_yen(listings: list[Listing]) -> None:
    assert {listing.currency for listing in listings} == {"JPY"}
    assert min(listing.price_minor for listing in listings) >= MIN_PRICE_MINOR


@pytest.mark.parametrize("leaf", LEAVES, ids=leaf_name)
def test_prices_are_log_normal_around_the_leafs_median(leaf: Leaf, listings: list[Listing]) -> None:
    logs = np.log([listing.price_minor for listing in listings if listing.category_path == leaf.path])
    standard_error = leaf.price_sigma / math.sqrt(len(logs))
    assert abs(np.mean(logs) - math.log(leaf.median_price_minor)) < 4.5 * standard_error
    assert np.std(logs) == pytest.approx(leaf.price_sigma, rel=0.2)


@pytest.mark.parametrize("colour", Colour)
def test_colours_have_names_in_both_languages(colour: Colour) -> None:
    assert colour.english.isascii()
    assert not colour.japanese.isascii()


def test_english_titles_name_colour_pattern_style_and_category(listings: list[Listing]) -> None:
    for listing in listings:
        title = listing.title_en.lower()
        known = listing.attributes
        assert known.colour in title
        assert known.pattern in title
        assert known.style in title
        assert any(noun.lower() in title for noun in LEAF_OF[listing.category_path].nouns)


def test_japanese_titles_name_the_same_things(listings: list[Listing]) -> None:
    from ruiji_demo.catalogue.drawing.patterns import Pattern

    colours = {colour.english: colour.japanese for colour in Colour}
    patterns = {pattern.english: pattern.japanese for pattern in Pattern}
    for listing in listings:
        leaf, known = LEAF_OF[listing.category_path], listing.attributes
        assert colours[known.colour] in listing.title_ja
        assert patterns[known.pattern] in listing.title_ja
        assert leaf.styles[known.style] in listing.title_ja
        assert any(noun in listing.title_ja for noun in leaf.nouns_ja)


def test_titles_are_varied_and_fit_a_line(listings: list[Listing]) -> None:
    titles = {listing.title_en for listing in listings}
    assert len(titles) > 0.9 * ITEMS
    for listing in listings:
        assert len(listing.title_en) <= 100
        assert listing.title_en[0].isupper() or not listing.title_en[0].isalpha()
        assert "\t" not in listing.title_en + listing.title_ja
