"""From the cells of a row to the fields of an item."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from ruiji_server.domain.errors import Reason
from ruiji_server.domain.items import ItemState, Price, check_currency
from ruiji_server.importing.errors import RowFault, RowReason
from ruiji_server.importing.prices import PriceNotation, to_minor_units

_STATES: Final = {"": ItemState.ON_SALE, "on_sale": ItemState.ON_SALE, "sold": ItemState.SOLD}


def read_text(cell: object) -> str:
    """Return a cell's text without blanks around it; empty if there is none.

    Raises:
        RowFault: the cell holds something else than text or a whole number.
    """
    if cell is None:
        return ""
    if isinstance(cell, int) and not isinstance(cell, bool):
        return str(cell)
    if not isinstance(cell, str):
        raise RowFault(RowReason.VALUE_MALFORMED, f"cell holds {_kind(cell)}, where text is expected")
    try:
        cell.encode()
    except UnicodeEncodeError as error:  # JSON can spell half of a surrogate pair
        raise RowFault(
            RowReason.VALUE_MALFORMED, "text holds half of a surrogate pair, which is no character"
        ) from error
    return cell.strip()


def read_state(cell: object) -> ItemState:
    """Return the state; an empty cell is on sale.

    Raises:
        RowFault: it is neither `on_sale` nor `sold`.
    """
    text = read_text(cell)
    state = _STATES.get(text)
    if state is None:
        raise RowFault(Reason.ITEM_STATE_INVALID, f"{text[:40]!r} is no state; on_sale and sold are")
    return state


def read_currency(cell: object, default: str | None) -> str:
    """Return the currency code, or the default for an empty cell.

    Raises:
        RowFault, InvalidArgument: neither is a known currency.
    """
    currency = read_text(cell) or default
    if not currency:
        raise RowFault(Reason.CURRENCY_UNKNOWN, "currency is missing, and no default was given")
    check_currency(currency, field="")
    return currency


def read_price(cell: object, currency: str, notation: PriceNotation) -> Price:
    """Return the price; whether the amount is in range is left to the domain.

    Raises:
        RowFault: it is missing, or is no exact amount of the currency.
    """
    if isinstance(cell, Decimal):
        return Price(to_minor_units(cell, currency, notation), currency)
    text = read_text(cell)
    if not text:
        raise RowFault(Reason.PRICE_MISSING, "price is missing")
    number = cell if isinstance(cell, int) else text
    return Price(to_minor_units(number, currency, notation), currency)


def read_category_path(cells: Sequence[object], separator: str) -> tuple[str, ...]:
    """Return the path from one cell that holds all of it, or from several that hold a name each.

    Of several, the last may be empty: that category is not divided further. Whether the path is a good one is left to
    the domain.

    Raises:
        RowFault: a cell holds no text.
    """
    if len(cells) > 1:
        names = [read_text(cell) for cell in cells]
        while names and not names[-1]:
            names.pop()
        return tuple(names)
    if isinstance(cells[0], list):
        return tuple(read_text(name) for name in cells[0])
    text = read_text(cells[0])
    return tuple(name.strip() for name in text.split(separator.strip())) if text else ()


def _kind(cell: object) -> str:
    kinds = {bool: "true or false", Decimal: "a number with decimals", list: "a list", dict: "an object"}
    return kinds.get(type(cell), f"a value of type {type(cell).__name__}")
