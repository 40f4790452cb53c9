"""Shoppers tap more on what is alike, cheap and high on the page, and each is always the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ruiji_demo.catalogue import render_catalogue
from ruiji_experiments.errors import SettingsError
from ruiji_experiments.shoppers.listings import Listing, read_listings
from ruiji_experiments.shoppers.people import Shoppers, ShoppingSettings
from ruiji_experiments.shoppers.tastes import Tastes, TasteSettings

SHOE = Listing("a", ("Fashion", "Shoes", "Sneakers"), 1_000, "JPY", True, "red", "plain", "low")
TASTES = Tastes(np.array([0.4, 0.3, 0.2, 0.1]), mood=-4.0, eagerness=2.0, thrift=1.0, resolve=-3.0, position_bias=0.5)


def logistic(x: float) -> float:
    return 1.0 / (1.0 + np.exp(-x))


def taps(*page: Listing, tastes: Tastes = TASTES) -> list[float]:
    return tastes.tap_probabilities(SHOE, page).tolist()


def test_a_probability_is_what_the_formula_says():
    twin, other = replace(SHOE, item_id="b"), replace(SHOE, colour="blue", style="high", price_minor=2_000)
    assert taps(twin, other) == pytest.approx(
        [logistic(-4.0 + 2.0), 2**-0.5 * logistic(-4.0 + 2.0 * 0.6 - np.log(2.0))]
    )
    assert TASTES.purchase_probabilities(SHOE, [twin]) == pytest.approx([logistic(-3.0 + 2.0)])


def test_a_shape_of_another_kind_is_no_likeness():
    boot = replace(SHOE, category_path=("Fashion", "Shoes", "Boots"))
    assert taps(boot) == pytest.approx([logistic(-4.0 + 2.0 * 0.5)])


def test_what_is_cheaper_is_no_worse():
    assert taps(replace(SHOE, price_minor=500)) == taps(SHOE)


def test_without_position_bias_every_place_is_as_good():
    assert len(set(taps(SHOE, SHOE, SHOE, tastes=replace(TASTES, position_bias=0.0)))) == 1


def test_a_page_without_items_is_tapped_nowhere():
    assert taps() == []


def test_tastes_differ_and_are_drawn_by_the_settings():
    rng = np.random.default_rng(1)
    drawn = [Tastes.draw(rng, TasteSettings()) for _ in range(2_000)]
    settings = TasteSettings()
    assert np.mean([one.mood for one in drawn]) == pytest.approx(settings.mood[0], abs=0.1)
    assert np.std([one.mood for one in drawn]) == pytest.approx(settings.mood[1], abs=0.1)
    assert np.median([one.thrift for one in drawn]) == pytest.approx(settings.thrift[0], abs=0.1)
    attention = np.array([one.attention for one in drawn])
    assert attention.sum(axis=1) == pytest.approx(np.ones(2_000))
    assert attention.mean(axis=0) == pytest.approx(np.array(settings.attention) / 9.0, abs=0.02)


@pytest.fixture(scope="module")
def listings(tmp_path_factory: pytest.TempPathFactory):
    return read_listings(render_catalogue(tmp_path_factory.mktemp("catalogue"), 40, seed=3, processes=1))


def test_listings_are_those_of_the_demo_catalogue(listings):
    first = listings["demo-000000"]
    assert len(listings) == 40
    assert len(first.category_path) == 3
    assert first.price_minor > 0
    assert {one.on_sale for one in listings.values()} == {True, False}


def test_another_table_is_refused(tmp_path: Path):
    (tmp_path / "items.tsv").write_text("id\ttitle\n1\tx\n")
    with pytest.raises(SettingsError, match="colour"):
        read_listings(tmp_path / "items.tsv")


def test_a_shopper_is_the_same_whoever_else_shops(listings):
    few, many = (Shoppers(listings, ShoppingSettings(shoppers=count)) for count in (5, 50))
    assert [one.visits for one in few] == [many.shopper(number).visits for number in range(5)]
    assert many.shopper(3).tastes.mood == few.shopper(3).tastes.mood
    assert len({one.unit_id for one in many}) == 50
    other = Shoppers(listings, ShoppingSettings(shoppers=5, seed=8))
    assert other.shopper(3).visits != few.shopper(3).visits


def test_shoppers_look_at_what_is_on_sale_about_as_often_as_was_asked(listings):
    shoppers = list(Shoppers(listings, ShoppingSettings(shoppers=800, pages_mean=3.0)))
    assert all(listings[visit.item_id].on_sale for shopper in shoppers for visit in shopper.visits)
    assert min(len(shopper.visits) for shopper in shoppers) == 1
    assert np.mean([len(shopper.visits) for shopper in shoppers]) == pytest.approx(3.0, abs=0.2)


@pytest.mark.parametrize("changes", [{"shoppers": 0}, {"page_size": 0}, {"pages_mean": 0.5}])
def test_nobody_and_nothing_cannot_be_simulated(changes):
    with pytest.raises(ValueError, match="at least one"):
        ShoppingSettings(**changes)
