from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruiji_server.domain.limits import MAX_PRICE_MINOR
from ruiji_server.ranking.price_band import PriceBand

prices = st.integers(1, MAX_PRICE_MINOR)


@pytest.mark.parametrize(
    ("price", "ratio", "low", "high"),
    [
        (100, 1.0, 100, 100),
        (100, 2.0, 50, 200),
        (100, 1.15, 87, 115),  # the nearest float is below 1.15; 115 is what a person means
        (99, 1.1, 90, 108),
        (1, 1.5, 1, 1),
    ],
)
def test_the_band_is_what_a_person_would_work_out(price, ratio, low, high):
    assert PriceBand.around(price, ratio) == PriceBand(low, high)


def test_infinity_admits_every_price():
    band = PriceBand.around(7, math.inf)
    assert band.low_minor <= 1
    assert band.high_minor == MAX_PRICE_MINOR


@given(query=prices, price=prices, ratio=st.integers(100, 10_000).map(lambda cents: cents / 100))
def test_a_price_is_inside_exactly_if_its_ratio_is_allowed(query, price, ratio):
    band = PriceBand.around(query, ratio)
    allowed = Fraction(max(price, query), min(price, query)) <= Fraction(repr(ratio))
    assert (band.low_minor <= price <= band.high_minor) == allowed
