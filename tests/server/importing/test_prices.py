"""Prices become minor units exactly, or are refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruiji_server.domain.currencies import MINOR_UNIT_DIGITS
from ruiji_server.domain.errors import Reason
from ruiji_server.importing import ImportSettingsError, PriceNotation, RowReason
from ruiji_server.importing.errors import RowFault
from ruiji_server.importing.prices import to_minor_units

PLAIN = PriceNotation()
ENGLISH = PriceNotation(thousands_mark=",")
GERMAN = PriceNotation(decimal_mark=",", thousands_mark=".")
FRENCH = PriceNotation(decimal_mark=",", thousands_mark=" ")


@pytest.mark.parametrize(
    ("text", "currency", "notation", "minor"),
    [
        ("52", "USD", PLAIN, 5200),
        ("52.0", "USD", PLAIN, 5200),
        ("52.5", "USD", PLAIN, 5250),
        ("0.1", "INR", PLAIN, 10),
        ("12.9900", "USD", PLAIN, 1299),  # as databases write decimal(12, 4)
        ("007", "USD", PLAIN, 700),
        ("1980", "JPY", PLAIN, 1980),
        ("1980.0", "JPY", PLAIN, 1980),
        ("1.299", "KWD", PLAIN, 1299),
        ("-5", "USD", PLAIN, -500),  # the domain says what is wrong with it
        ("+5", "USD", PLAIN, 500),
        ("0", "USD", PLAIN, 0),
        ("9007199254740993.01", "USD", PLAIN, 900719925474099301),  # above what a double can count
        ("1,299.00", "USD", ENGLISH, 129900),
        ("1299.00", "USD", ENGLISH, 129900),
        ("1,29,900", "INR", ENGLISH, 12990000),  # lakh
        ("12.990", "USD", ENGLISH, 1299),
        ("1.299,00", "EUR", GERMAN, 129900),
        ("1.290", "EUR", GERMAN, 129000),
        ("1\u202f299,50", "EUR", FRENCH, 129950),
        ("1\u00a0299", "EUR", FRENCH, 129900),
    ],
)
def test_text_becomes_minor_units(text: str, currency: str, notation: PriceNotation, minor: int) -> None:
    assert to_minor_units(text, currency, notation) == minor


@pytest.mark.parametrize(
    ("text", "currency", "notation"),
    [
        ("1,299.00", "USD", PLAIN),
        ("1,299", "USD", PLAIN),
        ("1.299", "USD", PLAIN),
        ("1.290", "USD", PLAIN),  # 1.29 to some, 1290 to others
        ("1.000", "JPY", PLAIN),
        ("52.005", "USD", ENGLISH),
        ("52.12345", "USD", PLAIN),
        ("980.5", "JPY", PLAIN),
        ("$52", "USD", PLAIN),
        ("52 USD", "USD", PLAIN),
        ("1e3", "USD", PLAIN),
        ("NaN", "USD", PLAIN),
        ("Infinity", "USD", PLAIN),
        (".5", "USD", PLAIN),
        ("5.", "USD", PLAIN),
        ("1_000", "USD", PLAIN),
        ("１２", "JPY", PLAIN),
        ("--5", "USD", PLAIN),
        ("1,2990", "USD", ENGLISH),
        (",299", "USD", ENGLISH),
        ("1,29", "USD", ENGLISH),
        ("12,99", "USD", PLAIN),
    ],
)
def test_text_that_could_be_misread_is_refused(text: str, currency: str, notation: PriceNotation) -> None:
    with pytest.raises(RowFault) as caught:
        to_minor_units(text, currency, notation)
    assert caught.value.reason is RowReason.PRICE_MALFORMED


@pytest.mark.parametrize(
    ("number", "currency", "minor"),
    [
        (52, "USD", 5200),
        (Decimal("52.000"), "USD", 5200),  # a number has no marks between thousands, so three zeros say nothing
        (Decimal("1.2E+3"), "JPY", 1200),
        (Decimal("0E-9"), "JPY", 0),
        (Decimal("0E+999999"), "JPY", 0),
    ],
)
def test_numbers_become_minor_units(number: int | Decimal, currency: str, minor: int) -> None:
    assert to_minor_units(number, currency, PLAIN) == minor


@pytest.mark.parametrize("number", [Decimal("0.005"), Decimal("1E-999999"), Decimal("NaN"), Decimal("-Infinity")])
def test_numbers_that_are_no_amount_are_refused(number: Decimal) -> None:
    with pytest.raises(RowFault) as caught:
        to_minor_units(number, "USD", PLAIN)
    assert caught.value.reason is RowReason.PRICE_MALFORMED


@pytest.mark.parametrize("price", [Decimal("1E+999999999"), 10**40, "9" * 5000])
def test_astronomical_amounts_are_refused_before_they_are_computed(price: str | int | Decimal) -> None:
    with pytest.raises(RowFault) as caught:
        to_minor_units(price, "USD", PLAIN)
    assert caught.value.reason is Reason.PRICE_OUT_OF_RANGE


@given(st.integers(-(10**15), 10**15), st.sampled_from(sorted(MINOR_UNIT_DIGITS)), st.integers(0, 2))
def test_every_amount_survives_writing_and_reading(minor: int, currency: str, zeros: int) -> None:
    digits = MINOR_UNIT_DIGITS[currency]
    written = f"{Decimal(minor).scaleb(-digits):f}"
    assert to_minor_units(written, currency, ENGLISH) == minor
    assert to_minor_units(Decimal(written + ("0" * zeros if digits else "")), currency, PLAIN) == minor
    grouped = f"{Decimal(minor).scaleb(-digits):,f}"
    assert to_minor_units(grouped, currency, ENGLISH) == minor


@pytest.mark.parametrize(("decimal_mark", "thousands_mark"), [(";", ""), (".", "."), (",", ","), (".", "-"), ("", "")])
def test_a_notation_that_cannot_be_read_is_refused(decimal_mark: str, thousands_mark: str) -> None:
    with pytest.raises(ImportSettingsError):
        PriceNotation(decimal_mark=decimal_mark, thousands_mark=thousands_mark)
