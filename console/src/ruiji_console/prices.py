"""Amounts as people write them."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

from ruiji_client import Price

_NO_DIGITS = """
BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF
"""
_THREE_DIGITS = """
BHD IQD JOD KWD LYD OMR TND
"""
_DIGITS: Final[dict[str, int]] = {
    code: digits for digits, codes in ((0, _NO_DIGITS), (3, _THREE_DIGITS)) for code in codes.split()
}
"""ISO 4217 code to the decimal digits of its minor unit, where these are not two."""
_USUAL_DIGITS: Final = 2


def price_text(price: Price) -> str:
    """Return an amount such as `1,250 JPY` or `12.50 USD`."""
    digits = _DIGITS.get(price.currency_code, _USUAL_DIGITS)
    return f"{Decimal(price.amount_minor).scaleb(-digits):,.{digits}f} {price.currency_code}"


def price_from(amount: str, currency: str) -> Price | None:
    """Return the price that somebody wrote, or None if it is none."""
    try:
        minor = Decimal(amount.replace(",", "")).scaleb(_DIGITS.get(currency, _USUAL_DIGITS))
    except InvalidOperation:
        return None
    if not minor.is_finite() or minor != minor.to_integral_value() or not 0 < minor <= 10**15:
        return None
    return Price(amount_minor=int(minor), currency_code=currency)
