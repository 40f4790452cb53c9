"""From prices as people write them, in major units, to exact minor units. No float takes part."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ruiji_server.domain.currencies import MINOR_UNIT_DIGITS
from ruiji_server.domain.errors import Reason
from ruiji_server.importing.errors import ImportSettingsError, RowFault, RowReason

_LARGEST_EXPONENT: Final = 18
"""Amounts from 10^19 on are far out of the domain's range; found before 1e999999999 becomes an integer."""

_THOUSANDS_DIGITS: Final = 3

_OTHER_BLANKS: Final = {0x00A0: " ", 0x202F: " "}
"""No-break spaces, which typesetters put between thousands."""


@dataclass(frozen=True, slots=True)
class PriceNotation:
    """How a price is written: digits, at most one decimal mark, perhaps marks between thousands."""

    decimal_mark: str = "."
    """`.` or `,`."""
    thousands_mark: str = ""
    """Empty refuses marks between thousands: `1,299` is 1299 to some and 1.299 to others, so nobody guesses here."""

    def __post_init__(self) -> None:
        if self.decimal_mark not in (".", ","):
            raise ImportSettingsError(f"{self.decimal_mark!r} cannot be the decimal mark; '.' and ',' can")
        if self.thousands_mark not in ("", ".", ",", " ", "'", "_") or self.thousands_mark == self.decimal_mark:
            raise ImportSettingsError(
                f"{self.thousands_mark!r} cannot stand between thousands: choose one of . , ' _ or a blank, "
                f"and not the decimal mark"
            )

    def read(self, text: str) -> Decimal:
        """Return the number that the text says, with as many decimals as were written.

        Groups may have two digits before the last, as in the Indian 1,29,900.

        Raises:
            RowFault: the text is no number in this notation.
        """
        if self.thousands_mark == " ":
            text = text.translate(_OTHER_BLANKS)
        mark = re.escape(self.thousands_mark)
        grouped = rf"|[0-9]{{1,3}}(?:{mark}[0-9]{{2,3}})*{mark}[0-9]{{3}}" if mark else ""
        match = re.fullmatch(rf"([+-]?)([0-9]+{grouped})(?:{re.escape(self.decimal_mark)}([0-9]+))?", text)
        if match is None:
            raise RowFault(
                RowReason.PRICE_MALFORMED,
                f"{text[:40]!r} is not a price: write digits, with {self.decimal_mark!r} before the decimals, "
                f"{self._thousands_advice()}, and no currency sign",
            )
        sign, whole, decimals = match[1], match[2], match[3] or ""
        if self.thousands_mark:
            whole = whole.replace(self.thousands_mark, "")
        return Decimal(f"{sign}{whole}.{decimals}")

    def _thousands_advice(self) -> str:
        if self.thousands_mark:
            return f"{self.thousands_mark!r} between thousands or nothing"
        return "nothing between thousands (or say what stands there)"


def to_minor_units(price: str | int | Decimal, currency: str, notation: PriceNotation) -> int:
    """Convert a price in major units to the currency's minor unit, exactly.

    Decimals beyond the minor unit must be zeros: databases write 12.9900. In text without a thousands mark, three
    decimals are refused even so, unless the currency has three: 1.290 may be one thousand two hundred ninety.

    Args:
        price: text, or a number of a format that has numbers.
        currency: an ISO 4217 code of `MINOR_UNIT_DIGITS`.
        notation: how text is written.

    Returns:
        Minor units; whether they are in range is for the domain to say.

    Raises:
        RowFault: not a number, or not a whole number of minor units.
    """
    number = notation.read(price) if isinstance(price, str) else Decimal(price)
    _, _, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        raise RowFault(RowReason.PRICE_MALFORMED, f"{number} is not a price")
    digits = MINOR_UNIT_DIGITS[currency]
    if (
        isinstance(price, str)
        and not notation.thousands_mark
        and -exponent == _THOUSANDS_DIGITS
        and digits != _THOUSANDS_DIGITS
    ):
        raise RowFault(
            RowReason.PRICE_MALFORMED,
            f"{price[:40]!r} has three decimals, where {currency} has {digits}: "
            f"if {notation.decimal_mark!r} stands between thousands, say so in the price notation",
        )
    if number and number.adjusted() > _LARGEST_EXPONENT:
        raise RowFault(Reason.PRICE_OUT_OF_RANGE, f"price has more than {_LARGEST_EXPONENT} digits")
    return _shift(number, digits, currency)


def _shift(number: Decimal, digits: int, currency: str) -> int:
    """Multiply by 10^digits, in integers: Decimal arithmetic would round to its context."""
    sign, mantissa, exponent = number.as_tuple()
    text = "".join(map(str, mantissa))
    places = int(exponent) + digits
    if places >= 0:
        amount = int(text) * 10**places if number else 0
    else:
        if text[places:].strip("0"):
            raise RowFault(
                RowReason.PRICE_MALFORMED, f"{str(number)[:40]} has more decimals than {currency} has ({digits})"
            )
        amount = int(text[:places] or "0")
    return -amount if sign else amount
